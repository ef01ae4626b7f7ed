//! The man pages and shell completions in `deploy/`: they are made of the command line's definition, and kept so that packages and
//! archives need no program to make them.
//!
//! After a change of the command line, write them anew: `KEY_BACKUP_WRITE_MANUAL=1 cargo test -p key-backup-worker --test manual`

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::CommandFactory;
use clap_complete::Shell;
use key_backup_testkit::temporary_folder;
use key_backup_worker::cli::Cli;

const NAME: &str = "key-backup-worker";

fn kept(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(folder)
}

/// Name and text of each file.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

/// Fails if the kept files are not those that `generate` makes; writes them first if that is wanted.
fn assert_kept(folder: &str, generate: impl FnOnce(&Path)) {
    let fresh = temporary_folder().unwrap();
    generate(fresh.path());
    let kept = kept(folder);
    if env::var_os("KEY_BACKUP_WRITE_MANUAL").is_some() {
        fs::create_dir_all(&kept).unwrap();
        for (name, text) in files(fresh.path()) {
            fs::write(kept.join(name), text).unwrap();
        }
    }
    let expected = files(fresh.path());
    assert!(!expected.is_empty());
    assert!(
        expected == files(&kept),
        "deploy/{folder} is not of this command line; crates/worker/tests/manual.rs says what to do"
    );
}

/// What the real binary prints.
fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_key-backup-worker")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_man_pages_are_of_this_command_line() {
    assert_kept("man", |folder| clap_mangen::generate_to(Cli::command(), folder).unwrap());
}

#[test]
fn the_completions_are_of_this_command_line() {
    assert_kept("completions", |folder| {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            clap_complete::generate_to(shell, &mut Cli::command(), NAME, folder).unwrap();
        }
    });
}

#[test]
fn the_man_pages_name_every_flag_and_command_that_help_names() {
    let pages = files(&kept("man"));
    let page = |name: &str| pages[&format!("{name}.1")].replace('\\', "");
    let commands = ["run", "healthcheck", "check-config", "doctor"];
    let main = help(&["--help"]);
    for command in commands {
        assert!(main.lines().any(|line| line.trim_start().starts_with(command)), "--help: {command}");
        assert!(page(NAME).contains(command), "the page: {command}");
    }
    let of_commands = commands.map(|command| (format!("{NAME}-{command}"), help(&[command, "--help"])));
    for (name, help) in of_commands.into_iter().chain([(NAME.to_owned(), main)]) {
        let flags = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        for flag in flags.map(|flag| flag.trim_end_matches(['.', ',', ':'])) {
            assert!(page(&name).contains(flag), "{name}: {flag}");
        }
    }
}

#[test]
fn the_debian_changelog_begins_with_this_version() {
    let changelog = fs::read_to_string(kept("debian").join("changelog")).unwrap();
    assert!(changelog.starts_with(&format!("{NAME} ({}-1) ", env!("CARGO_PKG_VERSION"))));
}
