//! `docs/compatibility.md` and the tests tell of the same differences.

use std::collections::BTreeSet;

use super::{known::Known, topics};

const COMPATIBILITY: &str = include_str!("../../../../docs/compatibility.md");

/// The first cells of the table's rows.
fn rows() -> Vec<&'static str> {
    let first_cell = |line: &'static str| line.strip_prefix("| `")?.split_once("` |").map(|(cell, _)| cell);
    COMPATIBILITY.lines().filter_map(first_cell).collect()
}

#[test]
fn every_known_difference_has_its_row_in_the_documentation_and_every_row_its_difference() {
    let known: Vec<&str> = Known::ALL.into_iter().map(Known::id).collect();
    assert_eq!(rows(), known);
}

#[test]
fn every_known_difference_is_met_by_a_sequence() {
    let sequences = topics::sequences();
    let steps = sequences.iter().flat_map(|sequence| &sequence.steps);
    let met: BTreeSet<&str> = steps.filter_map(|step| Some(step.difference.as_ref()?.known.id())).collect();
    let known: BTreeSet<&str> = Known::ALL.into_iter().map(Known::id).collect();
    assert_eq!(met, known);
}

#[test]
fn no_two_sequences_have_one_name() {
    let mut names = BTreeSet::new();
    for sequence in topics::sequences() {
        assert!(names.insert(sequence.name.clone()), "{}", sequence.name);
    }
}
