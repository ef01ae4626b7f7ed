//! libpq's password file.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use key_backup_storage::Host;
use secrecy::SecretString;

/// The password of the first line `host:port:dbname:user:password` that fits; `*` fits everything, a
/// backslash keeps a colon or another backslash.
///
/// As in libpq, a file that does not exist is no mistake, and one that others may read is not used.
pub(super) fn password(
    file: &Path,
    host: &Host,
    dbname: &str,
    user: &str,
    warnings: &mut Vec<String>,
) -> Option<SecretString> {
    let metadata = fs::metadata(file).ok()?;
    if !metadata.is_file() {
        warnings.push(format!("{} is no plain file, and is not used as the password file", file.display()));
        return None;
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        warnings.push(format!(
            "{} may be read by others, and is not used: its mode should be 0600",
            file.display()
        ));
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let wanted = [host_name(host), port(host).to_string(), dbname.to_owned(), user.to_owned()];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| matching(line, &wanted))
}

/// libpq's name for the host: the default socket directory is `localhost`.
fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp { name, .. } => name.clone(),
        Host::Unix { directory, .. } if directory == Path::new(super::hosts::SOCKET_DIRECTORY) => {
            "localhost".to_owned()
        }
        Host::Unix { directory, .. } => directory.display().to_string(),
    }
}

fn port(host: &Host) -> u16 {
    match host {
        Host::Tcp { port, .. } | Host::Unix { port, .. } => *port,
    }
}

fn matching(line: &str, wanted: &[String; 4]) -> Option<SecretString> {
    let mut rest = line;
    for wanted in wanted {
        let (field, tail) = field(rest);
        if field != "*" && field != *wanted {
            return None;
        }
        rest = tail?;
    }
    Some(field(rest).0.into())
}

/// The text up to the next plain colon, and what follows that colon.
fn field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => field.extend(characters.next().map(|(_, kept)| kept)),
            ':' => return (field, Some(&text[at + 1..])),
            other => field.push(other),
        }
    }
    (field, None)
}
