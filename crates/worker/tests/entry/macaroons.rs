//! Macaroons made by the library that Synapse uses.

use std::{path::PathBuf, process::Command};

const MINT: &str = "
import sys, pymacaroons
user, secret, *more = sys.argv[1:]
macaroon = pymacaroons.Macaroon(location='example.com', identifier='key', key=secret)
for caveat in ['gen = 1', 'type = access', 'user_id = ' + user, 'nonce = x', *more]:
    macaroon.add_first_party_caveat(caveat)
print(macaroon.serialize(), end='')
";

/// A token for a user with these conditions besides the usual ones.
pub(crate) fn mint(python: PathBuf, user: &str, more: &[&str], secret: &str) -> String {
    let output = Command::new(python).args(["-c", MINT, user, secret]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
