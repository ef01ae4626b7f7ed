//! Where the figures go: the terminal, JSON, and for a full run the documentation.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{
    capacity, charts,
    machine::Machine,
    measured::{Both, Measured},
    page::replaced,
    start::Starts,
    tables,
};

/// Everything that a run has found out.
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) starts: Option<Both<Starts>>,
    pub(super) measured: Vec<Measured>,
}

impl Report {
    /// For the terminal.
    pub(super) fn text(&self) -> String {
        let machine = self.machine.table();
        let ratios = tables::ratios(&self.measured, self.starts.as_ref());
        format!("{machine}\n{ratios}\n{}", tables::absolute(&self.measured))
    }

    /// Writes the JSON and the charts into a folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be written to.
    pub(super) fn write_figures(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("bench.json"), serde_json::to_string_pretty(&self.json())? + "\n")?;
        for (name, chart) in charts::all(&self.measured) {
            fs::write(folder.join(name), chart)?;
        }
        Ok(())
    }

    /// Replaces the figures in the page.
    ///
    /// # Errors
    ///
    /// The page cannot be written, or has lost a mark; or a work is missing that its tables need.
    pub(super) fn write_page(&self, page: &Path) -> Result<()> {
        let text = fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
        Ok(fs::write(page, self.in_page(text)?)?)
    }

    fn in_page(&self, mut page: String) -> Result<String> {
        let sizing = capacity::sizing(&self.measured).context("a work is missing for the sizes")?;
        for (section, content) in [
            ("machine", self.machine.table()),
            ("ratios", tables::ratios(&self.measured, self.starts.as_ref())),
            ("absolute", tables::absolute(&self.measured)),
            ("capacity", capacity::per_core(&self.measured)),
            ("sizing", sizing),
        ] {
            page = replaced(&page, section, &content)?;
        }
        Ok(page)
    }

    fn json(&self) -> Value {
        let starts = self
            .starts
            .as_ref()
            .map(|starts| json!({ "synapse": starts.synapse.json(), "worker": starts.worker.json() }));
        let works: Vec<Value> = self.measured.iter().map(Measured::json).collect();
        json!({ "machine": self.machine.json(), "starts": starts, "works": works })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::measured::tests::measured, *};
    use crate::cargo::workspace;

    #[test]
    fn the_page_has_a_place_for_everything_that_a_full_run_measures() {
        let works = super::super::plan::FULL.works();
        let measured = works.iter().map(|work| measured(&work.id, &[40], &[10])).collect();
        let report = Report { machine: Machine::unknown(), starts: None, measured };
        let page = fs::read_to_string(workspace().join("docs/performance.md")).unwrap();
        let page = report.in_page(page).unwrap();
        for work in works {
            assert!(page.contains(&format!("| {} | **", work.id)), "{}", work.id);
        }
    }

    #[test]
    fn the_page_shows_every_chart() {
        let page = fs::read_to_string(workspace().join("docs/performance.md")).unwrap();
        for (name, _) in charts::all(&[]) {
            assert!(page.contains(&format!("(performance/{name})")), "{name}");
        }
    }
}
