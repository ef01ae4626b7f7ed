//! Certificates for tests of TLS.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// Makes a certificate that signs itself, and its key, as `name.crt` and `name.key` in `folder`. `alternative_name` is what openssl
/// calls that: `DNS:localhost`, `IP:127.0.0.1`.
///
/// # Errors
///
/// When there is no `openssl` command, or it fails.
pub fn self_signed(folder: &Path, name: &str, alternative_name: &str) -> Result<()> {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-days", "30", "-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName={alternative_name}")])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")])
        .current_dir(folder)
        .output()
        .context("the openssl command is needed for this test")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
