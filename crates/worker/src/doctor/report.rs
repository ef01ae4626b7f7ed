//! The findings as text and as JSON.

use std::io::{self, Write};

use serde_json::json;

use super::finding::{Finding, Level};

/// All findings, in the order of the checks.
pub(super) struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        Self { findings }
    }

    /// Whether nothing is a problem.
    pub(super) fn is_healthy(&self) -> bool {
        self.worst() < Level::Problem
    }

    fn worst(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// A line for each finding, its advice indented below, and a summary.
    pub(super) fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for Finding { check, level, found, advice } in &self.findings {
            let level = match level {
                Level::Ok => "ok",
                Level::Warning => "WARNING",
                Level::Problem => "PROBLEM",
            };
            writeln!(out, "{level:<8} {check}: {found}")?;
            for line in advice.iter().flat_map(|advice| advice.lines()) {
                writeln!(out, "         > {line}")?;
            }
        }
        let (problems, warnings) = (self.count(Level::Problem), self.count(Level::Warning));
        writeln!(out, "\n{}, {}", counted(problems, "problem"), counted(warnings, "warning"))
    }

    /// One document in the format that `docs/doctor.md` describes.
    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let document = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "level": self.worst(),
            "problems": self.count(Level::Problem),
            "warnings": self.count(Level::Warning),
            "findings": self.findings,
        });
        writeln!(out, "{document:#}")
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_no_problem() {
        let warned = Report::new(vec![Finding::ok("a", "x"), Finding::warning("b", "y", "do\nthis")]);
        assert!(warned.is_healthy());
        assert!(!Report::new(vec![Finding::problem("c", "z", "that"), Finding::ok("a", "x")]).is_healthy());
        let mut text = Vec::new();
        warned.write_text(&mut text).unwrap();
        let lines =
            "ok       a: x\nWARNING  b: y\n         > do\n         > this\n\nno problems, 1 warning\n";
        assert_eq!(String::from_utf8(text).unwrap(), lines);
    }
}
