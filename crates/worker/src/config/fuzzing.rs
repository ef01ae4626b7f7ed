//! What has to be true of every configuration, for cargo-fuzz and for the test that replays what it found: it never ends the
//! worker but by a message, and neither the message nor what is logged of the configuration holds a secret.

use std::{fs, path::Path};

use super::{
    Config, Environment, InlineSecrets,
    yaml::{self, Tree, Value},
};

pub use super::libpq::fuzzing::conninfo;

/// Keys whose values are secrets, in Synapse's files.
const SECRETS: [&str; 7] = [
    "admin_token",
    "client_secret",
    "form_secret",
    "macaroon_secret_key",
    "password",
    "registration_shared_secret",
    "secret",
];

/// Reads files, between which there is a NUL, as those of a command line. They are written into `folder`.
///
/// # Panics
///
/// When something is not as it has to be, or the folder cannot be written.
pub fn files(folder: &Path, data: &[u8]) {
    let files: Vec<&[u8]> = data.split(|byte| *byte == 0).collect();
    let paths: Vec<_> = (0..files.len()).map(|number| folder.join(format!("{number}.yaml"))).collect();
    for (path, file) in paths.iter().zip(&files) {
        fs::write(path, file).expect("the folder of the caller can be written");
    }
    let environment = Environment { user: Some("user".to_owned()), ..Environment::default() };
    let shown = match Config::read(&paths, InlineSecrets::Allowed, &environment) {
        Ok(config) => format!("{config:?}"),
        Err(error) => error.to_string(),
    };
    let trees = files.iter().filter_map(|file| yaml::parse(str::from_utf8(file).ok()?).ok());
    let (mut secrets, mut others) = (Vec::new(), Vec::new());
    trees.for_each(|tree| sort_out(&tree, "", &mut secrets, &mut others));
    no_secret_in(&shown, &secrets, &others);
}

/// Secrets that are long and odd enough to be told from our own words, and stand nowhere else.
pub(super) fn no_secret_in(shown: &str, secrets: &[String], others: &[String]) {
    for secret in secrets.iter().filter(|secret| secret.len() >= 6 && secret.contains('!')) {
        if !others.iter().any(|other| other.contains(secret)) {
            assert!(!shown.contains(secret), "a secret is shown: {shown}");
        }
    }
}

fn sort_out(tree: &Tree, key: &str, secrets: &mut Vec<String>, others: &mut Vec<String>) {
    match &tree.value {
        Value::Text(text) if SECRETS.contains(&key) => secrets.push(text.clone()),
        Value::Text(text) | Value::Float(text) => others.push(text.clone()),
        Value::List(items) => items.iter().for_each(|item| sort_out(item, "", secrets, others)),
        Value::Map(entries) => {
            others.extend(entries.keys().cloned());
            for (key, entry) in entries {
                sort_out(entry, key, secrets, others);
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(name: &str) -> impl Iterator<Item = Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap())
    }

    #[test]
    fn what_fuzzing_found_worth_keeping_of_files_is_still_read_without_harm() {
        let folder = tempfile::tempdir().unwrap();
        corpus("config").for_each(|data| files(folder.path(), &data));
    }

    #[test]
    fn what_fuzzing_found_worth_keeping_of_connection_strings_is_still_read_right() {
        corpus("conninfo").for_each(|data| conninfo(&data));
    }

    #[test]
    #[should_panic(expected = "a secret is shown")]
    fn a_secret_that_is_shown_would_be_noticed() {
        no_secret_in("expected a number, not hunter2!", &["hunter2!".to_owned()], &[]);
    }
}
