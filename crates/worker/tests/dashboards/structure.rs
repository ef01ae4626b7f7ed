//! Whether Grafana can show the dashboard as it is meant, and a person can read it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::dashboard::{Dashboard, GridPos, Panel, substituted, unknown_metrics};

/// Grafana counts columns.
const COLUMNS: u32 = 24;

#[test]
fn every_panel_has_an_id_and_a_title_of_its_own() {
    let dashboard = Dashboard::read();
    // 36 is the first in which a data source is an object.
    assert!(dashboard.schema_version >= 36 && dashboard.uid == "key-backup");
    let ids: BTreeSet<u32> = dashboard.panels.iter().map(|panel| panel.id).collect();
    let titles: BTreeSet<&str> = dashboard.panels.iter().map(|panel| panel.title.as_str()).collect();
    assert_eq!((ids.len(), titles.len()), (dashboard.panels.len(), dashboard.panels.len()));
}

#[test]
fn no_panel_covers_another() {
    let dashboard = Dashboard::read();
    let mut taken = BTreeSet::new();
    for Panel { title, grid_pos: GridPos { x, y, w, h }, .. } in &dashboard.panels {
        assert!(x + w <= COLUMNS && *w > 0 && *h > 0, "{title} leaves the grid");
        for cell in (*x..x + w).flat_map(|x| (*y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title} covers another panel at {cell:?}");
        }
    }
}

#[test]
fn every_panel_has_a_unit_and_says_what_is_normal() {
    for panel in Dashboard::read().shown() {
        let unit = panel.field_config["defaults"]["unit"].as_str();
        assert!(unit.is_some_and(|unit| !unit.is_empty()), "{} has no unit", panel.title);
        assert!(panel.description.len() > 60, "{} does not say what it shows", panel.title);
        let says_what_is_normal = panel.description.contains("ormal");
        assert!(says_what_is_normal, "{} does not say what is normal", panel.title);
    }
}

#[test]
fn every_query_asks_the_chosen_data_source_and_server_for_metrics_that_exist() {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    for panel in Dashboard::read().shown() {
        assert!(!panel.targets.is_empty() && panel.datasource == source, "{}", panel.title);
        let ids: BTreeSet<&str> = panel.targets.iter().map(|target| target.ref_id.as_str()).collect();
        assert_eq!(ids.len(), panel.targets.len(), "{}", panel.title);
        for target in &panel.targets {
            assert!(target.datasource == source && !target.legend_format.is_empty(), "{}", panel.title);
            assert!(
                target.expr.contains("\"$server_name\"") || target.expr.contains("build_info"),
                "{}",
                panel.title
            );
            assert_eq!(unknown_metrics(&substituted(&target.expr)), [""; 0], "{}", panel.title);
        }
    }
}

#[test]
fn the_variables_are_those_of_synapses_dashboard() {
    let dashboard = Dashboard::read();
    let names: Vec<&str> =
        dashboard.templating.list.iter().filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "server_name", "bucket_size", "job", "index"]);
    for name in ["server_name", "job", "index"] {
        let query = dashboard.variable(name)["query"]["query"].as_str().unwrap();
        assert_eq!(unknown_metrics(query), [""; 0], "{query}");
    }
}
