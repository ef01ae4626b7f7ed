//! `cargo xtask dist`: what is given to operators, in `<target>/dist`.

#[cfg(test)]
mod links;
mod sbom;

use std::{
    env::consts::{ARCH, OS},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};

use crate::{
    cargo::{cargo, target_folder, workspace},
    packages::in_path,
    process::run as run_program,
    step::step,
};

/// The shipped package, and the name of its program.
const PACKAGE: &str = "key-backup-worker";

/// What the archive holds besides the program: files and folders of the repository, at the same places, so that links in documents lead
/// somewhere.
const FILES: [&str; 7] =
    ["LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "deploy"];

/// Builds the release and puts the archive, its bill of materials, the Debian package where cargo-deb is installed, and the
/// checksums of all of them there.
///
/// # Errors
///
/// When one of them cannot be made.
pub(crate) async fn run() -> Result<()> {
    step("release build", cargo(&["build", "--release", "--locked", "--package", PACKAGE], &[])).await?;
    let target = target_folder()?;
    let dist = target.join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(&dist)?;
    let name = format!("{PACKAGE}-{}-{ARCH}-{OS}", env!("CARGO_PKG_VERSION"));
    step("archive", async { archive(&target.join("release").join(PACKAGE), &dist, &name) }).await?;
    step("bill of materials", async { sbom::write(&dist.join(format!("{name}.cdx.json"))) }).await?;
    if in_path("cargo-deb") {
        let output = dist.display().to_string();
        let deb = ["deb", "--no-build", "--strip", "--package", PACKAGE, "--output", &output];
        step("Debian package", cargo(&deb, &[])).await?;
    } else {
        println!("==> Debian package: not made, cargo-deb is not installed");
    }
    step("checksums", async { checksums(&dist) }).await?;
    println!("{}", dist.display());
    Ok(())
}

/// A compressed archive of one folder, which is removed again.
fn archive(program: &Path, dist: &Path, name: &str) -> Result<()> {
    let folder = dist.join(name);
    fs::create_dir(&folder)?;
    // Names of functions stay, for backtraces.
    run_program(Command::new("strip").arg("--strip-debug").arg("-o").arg(folder.join(PACKAGE)).arg(program))?;
    for file in FILES {
        run_program(Command::new("cp").arg("--recursive").arg(workspace().join(file)).arg(&folder))?;
    }
    run_program(
        Command::new("tar")
            // The same files make the same archive, whoever packs them.
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=go=rX,u+rw"])
            .arg("--directory")
            .arg(dist)
            .arg("--gzip")
            .arg("--create")
            .arg("--file")
            .arg(dist.join(format!("{name}.tar.gz")))
            .arg(name),
    )?;
    Ok(fs::remove_dir_all(folder)?)
}

/// `SHA256SUMS`, as `sha256sum --check` reads it.
fn checksums(dist: &Path) -> Result<()> {
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dist)? {
        names.push(entry?.file_name().into());
    }
    names.sort();
    let output = Command::new("sha256sum").args(&names).current_dir(dist).output()?;
    ensure!(output.status.success(), "sha256sum failed");
    fs::write(dist.join("SHA256SUMS"), &output.stdout)?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
