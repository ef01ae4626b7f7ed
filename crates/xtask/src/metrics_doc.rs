//! `cargo xtask metrics-doc`: writes `docs/metrics.md` from what the worker registers.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use key_backup_metrics::{Description, Metrics};

const HEAD: &str = "# Metrics

What a scrape of the worker holds. This page is written by `cargo xtask metrics-doc` from the code; `cargo xtask test` fails where it
is not up to date. What to look at and when to worry is in [Operations](operations.md).

A listener of type `metrics` answers any path, and an `http` listener with the resource `metrics` answers `/_synapse/metrics`
([configuration](configuration.md)). Every series but those of the process has the label `server_name`. Counters end in `_total`,
times are in seconds, sizes in bytes; histograms of times have the buckets of Synapse's where Synapse has the metric. A series with
labels appears when it is first counted.
";

/// The sections, each with how the names in it start.
const SECTIONS: [(&str, &str, &str); 3] = [
    ("The worker's own", "What Synapse has no name for.", "key_backup_"),
    (
        "Under Synapse's names",
        "Same names, labels and units as at a generic worker of Synapse, so that its dashboard shows both.",
        "synapse_",
    ),
    ("The process", "Without the label `server_name`, as in Synapse.", "process_"),
];

/// Writes the page.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn run() -> Result<()> {
    let file = file();
    fs::write(&file, page()?).with_context(|| format!("cannot write {}", file.display()))?;
    println!("wrote {}", file.display());
    Ok(())
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md")
}

fn page() -> Result<String> {
    let mut metrics = Metrics::new("example.com")?.descriptions();
    let mut page = HEAD.to_owned();
    for (title, text, start) in SECTIONS {
        let is_here = |metric: &Description| metric.name.starts_with(start);
        let (here, others) = metrics.into_iter().partition::<Vec<_>, _>(is_here);
        metrics = others;
        if !here.is_empty() {
            write!(
                page,
                "\n## {title}\n\n{text}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"
            )?;
            here.iter().try_for_each(|metric| row(&mut page, metric))?;
        }
    }
    ensure!(metrics.is_empty(), "these metrics belong to no section: {metrics:?}");
    Ok(page)
}

fn row(page: &mut String, metric: &Description) -> Result<()> {
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let help = metric.help.replace('|', "\\|");
    writeln!(page, "| `{}` | {} | {} | {help} |", metric.name, metric.kind, labels.join(", "))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_the_code_registers() {
        let written = fs::read_to_string(file()).unwrap();
        assert!(written == page().unwrap(), "docs/metrics.md is out of date: run `cargo xtask metrics-doc`");
    }
}
