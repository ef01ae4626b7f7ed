//! `deploy/prometheus`: the alert rules and what surrounds them.

use std::{fs, path::Path};

use key_backup_testkit::services::Prometheus;
use serde::Deserialize;

use crate::dashboard::{deployed, unknown_metrics};

#[derive(Debug, Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) alert: String,
    pub(crate) expr: String,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Debug, Deserialize)]
struct Labels {
    severity: String,
}

#[derive(Debug, Deserialize)]
struct Annotations {
    summary: String,
    description: String,
    runbook_url: String,
}

impl Rule {
    /// All rules of the file.
    pub(crate) fn read() -> Vec<Self> {
        let text = fs::read_to_string(Self::file()).unwrap();
        let file: File = serde_saphyr::from_str(&text).unwrap();
        file.groups.into_iter().flat_map(|group| group.rules).collect()
    }

    /// Where they are.
    pub(crate) fn file() -> std::path::PathBuf {
        deployed("prometheus/rules/key-backup.rules.yml")
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn promtool_accepts_the_rules_and_the_configuration() {
    Prometheus::promtool(&["check", "rules", path(&Rule::file())]).unwrap();
    Prometheus::promtool(&["check", "config", path(&deployed("prometheus/prometheus.yml"))]).unwrap();
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let cases = deployed("prometheus/tests/key-backup.test.yml");
    Prometheus::promtool(&["test", "rules", path(&cases)]).unwrap();
    let cases = fs::read_to_string(cases).unwrap();
    for rule in Rule::read() {
        let named = cases.lines().filter(|line| line.contains(&format!("alertname: {}", rule.alert))).count();
        assert!(named >= 2, "{} has no case in which it fires and one in which it does not", rule.alert);
    }
}

#[test]
fn every_alert_has_a_section_in_the_runbook() {
    let runbook = fs::read_to_string(deployed("../docs/operations.md")).unwrap();
    for Rule { alert, labels, annotations, .. } in Rule::read() {
        assert!(["critical", "warning", "info"].contains(&labels.severity.as_str()), "{alert}");
        assert!(annotations.summary.len() > 20 && annotations.description.len() > 10, "{alert}");
        let anchor = alert.to_lowercase();
        assert_eq!(annotations.runbook_url, format!("docs/operations.md#{anchor}"));
        let section = runbook.split(&format!("\n### {alert}\n")).nth(1);
        let section =
            section.unwrap_or_else(|| panic!("{alert} has no section")).split("\n#").next().unwrap();
        for part in ["**Means.**", "**Users see**", "**Do.**", "**Verify.**"] {
            assert!(section.contains(part), "the section of {alert} lacks {part}");
        }
    }
}

#[test]
fn rules_ask_for_metrics_that_exist() {
    for rule in Rule::read() {
        assert_eq!(unknown_metrics(&rule.expr), [""; 0], "{}", rule.alert);
    }
}
