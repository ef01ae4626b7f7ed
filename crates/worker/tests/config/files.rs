//! Which files are read, and how they are merged.

use crate::support::{MINIMAL, Setup, with};

#[test]
fn a_later_file_replaces_a_whole_section() {
    let config = with("database: {name: psycopg2, args: {dbname: other}}").config();
    assert_eq!(config.database.connection.dbname, "other");
    assert_eq!(config.database.connection.user, "osuser", "the user of the earlier file is gone");
    assert_eq!(config.server_name, "example.com");
}

#[test]
fn a_directory_gives_its_yaml_files_in_order_and_not_those_below() {
    let setup = Setup::empty();
    setup.write("conf.d/20-name.yaml", "worker_name: second");
    setup.write("conf.d/10-all.yaml", MINIMAL);
    setup.write("conf.d/30-notes.txt", "worker_name: third");
    setup.write("conf.d/40-more/name.yaml", "worker_name: fourth");
    setup.write("conf.d/50-name.yml", "worker_name: fifth");
    let directory = setup.path("conf.d");
    let config = setup.with_path(directory).config();
    assert_eq!(config.worker_name, "second");
    for ignored in ["30-notes.txt", "40-more", "50-name.yml"] {
        assert!(config.warnings.iter().any(|warning| warning.contains(ignored)), "{ignored}");
    }
}

#[test]
fn files_without_a_mapping_are_ignored_with_a_note() {
    for text in ["", "# nothing yet\n", "- a\n- list\n", "words"] {
        let config = with(text).config();
        assert!(config.warnings.iter().any(|warning| warning.contains("worker.yaml")), "{text:?}");
    }
}

#[test]
fn json_is_yaml() {
    let config = with(r#"{"worker_name": "json", "enable_metrics": true}"#).config();
    assert_eq!((config.worker_name.as_str(), config.enable_metrics), ("json", true));
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let text = "
x-args: &args {user: merged, dbname: one, port: 6432}
database:
  name: psycopg2
  args: {<<: *args, dbname: two}
";
    let connection = with(text).config().database.connection;
    assert_eq!((connection.user.as_str(), connection.dbname.as_str()), ("merged", "two"));
}

#[test]
fn keys_that_nobody_knows_are_ignored() {
    let config = with("no_such_key_of_synapse: {deep: [1, 2]}").config();
    assert_eq!(config.warnings, Vec::<String>::new());
}
