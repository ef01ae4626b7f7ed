//! `docs/configuration.md` and the example files say what the code does.

use std::{collections::BTreeSet, fs, path::Path};

use regex_lite::Regex;

use crate::support::{MINIMAL, Setup, with};

/// The text of a file of the repository.
fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The names in the first column of the tables under a heading of the reference.
fn described(heading: &str) -> BTreeSet<String> {
    let reference = text("docs/configuration.md");
    let (_, section) = reference.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let first_column = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let names = Regex::new("[a-z_]+").unwrap();
    first_column.flat_map(|cell| names.find_iter(cell)).map(|name| name.as_str().to_owned()).collect()
}

#[test]
fn every_own_setting_is_described_and_every_described_one_exists() {
    let message = with("key_backup_worker: {nonsense: 1}").message();
    let (_, known) = message.split_once("there are ").unwrap();
    let known: BTreeSet<String> = known.split(", ").map(|name| name.trim().to_owned()).collect();
    assert_eq!(described("The worker's own settings"), known);
}

#[test]
fn every_key_of_synapse_that_is_described_has_a_use() {
    let described = described("Synapse's keys");
    assert!(described.len() > 20, "{described:?}");
    let nulls: Vec<String> = described
        .iter()
        // Nested ones.
        .filter(|key| !["experimental_features", "msc"].contains(&key.as_str()))
        // For listeners with `tls: true` alone.
        .filter(|key| !key.starts_with("tls_"))
        .filter(|key| !MINIMAL.contains(&format!("\n{key}:")))
        .map(|key| format!("{key}: null\n"))
        .collect();
    // Null is an error there, as in Synapse.
    let nulls = nulls.concat().replace("app_service_config_files: null", "app_service_config_files: []");
    assert_eq!(with(&nulls).config().unused_keys, [""; 0]);
}

#[test]
fn the_example_files_of_workers_are_accepted_with_all_of_their_settings() {
    let example = text("deploy/systemd/key_backup1.yaml");
    let commented = Regex::new("(?m)^#(key_backup_worker:|  [a-z_]+:)").unwrap();
    let whole = commented.replace_all(&example, "$1");
    let config = with(&example).config();
    assert_eq!(config.worker_name, "key_backup1");
    assert!(config.unused_keys.is_empty());
    assert_eq!(with(&whole).config().own.threads.get(), 4);
    assert_eq!(with(&text("deploy/kubernetes/base/worker.yaml")).config().listeners.len(), 2);
    // The compose stack's files, as its containers read them.
    for worker in ["key_backup1", "key_backup2"] {
        let stack = Setup::empty()
            .with("homeserver.yaml", "{server_name: localhost, report_stats: no}")
            .with("shared.yaml", &text("deploy/compose/shared.yaml"))
            .with("worker.yaml", &text(&format!("deploy/compose/workers/{worker}.yaml")));
        assert_eq!(stack.config().listeners.len(), 2);
    }
}
