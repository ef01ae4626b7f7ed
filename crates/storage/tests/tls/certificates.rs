//! Certificates made by the `openssl` command, as an operator makes them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A certificate and its key, both PEM.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Where the files of one test are.
pub(crate) struct Authority {
    directory: PathBuf,
    root: Pair,
}

impl Authority {
    /// A new authority with files below `directory`.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let root = self_signed(directory, name, &["-subj", &format!("/CN={name}")]);
        Self { directory: directory.to_owned(), root }
    }

    /// Its own certificate, for `sslrootcert`.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.root.certificate.clone()
    }

    /// A certificate for `subject` with the extensions given in OpenSSL's words.
    pub(crate) fn issue(&self, subject: &str, extensions: &str, days: &str) -> Pair {
        let pair = pair(&self.directory, subject);
        let request = self.directory.join(format!("{subject}.csr"));
        let extension_file = self.directory.join(format!("{subject}.ext"));
        fs::write(&extension_file, extensions).unwrap();
        let mut command =
            openssl(&["req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", &format!("/CN={subject}")]);
        run(command.arg("-keyout").arg(&pair.key).arg("-out").arg(&request));
        let mut command = openssl(&["x509", "-req", "-CAcreateserial", "-days", days]);
        command.arg("-in").arg(&request).arg("-out").arg(&pair.certificate);
        command.arg("-CA").arg(&self.root.certificate).arg("-CAkey").arg(&self.root.key);
        if !extensions.is_empty() {
            command.arg("-extfile").arg(&extension_file);
        }
        run(&mut command);
        pair
    }
}

/// A certificate that signs itself, as in PostgreSQL's documentation: one of an authority, without alternative names.
pub(crate) fn self_signed(directory: &Path, name: &str, arguments: &[&str]) -> Pair {
    let pair = pair(directory, name);
    let mut command = openssl(&["req", "-new", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "365"]);
    run(command.args(arguments).arg("-keyout").arg(&pair.key).arg("-out").arg(&pair.certificate));
    pair
}

/// A certificate of X.509 version 1 that signs itself.
pub(crate) fn version_1(directory: &Path, name: &str) -> Pair {
    let pair = pair(directory, name);
    let request = directory.join(format!("{name}.csr"));
    let mut command =
        openssl(&["req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", &format!("/CN={name}")]);
    run(command.arg("-keyout").arg(&pair.key).arg("-out").arg(&request));
    let mut command = openssl(&["x509", "-req", "-days", "365"]);
    run(command.arg("-in").arg(&request).arg("-signkey").arg(&pair.key).arg("-out").arg(&pair.certificate));
    pair
}

fn pair(directory: &Path, name: &str) -> Pair {
    Pair { certificate: directory.join(format!("{name}.crt")), key: directory.join(format!("{name}.key")) }
}

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments);
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("the openssl command is needed for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
