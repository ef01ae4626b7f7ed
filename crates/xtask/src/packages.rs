//! What the commands need from the system.

use std::{env, path::Path, process::Command};

use anyhow::{Result, bail};
use key_backup_testkit::services::Postgres;
use nix::unistd::Uid;

use crate::{process::run, python};

/// A Debian package, and how to see whether what we need of it is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    name: &'static str,
    present: fn() -> bool,
}

const POSTGRESQL: Package = Package { name: "postgresql", present: || Postgres::installed().is_ok() };
const REDIS: Package = Package { name: "redis-server", present: || in_path("redis-server") };
const NGINX: Package = Package { name: "nginx", present: || in_path("nginx") };
const HAPROXY: Package = Package { name: "haproxy", present: || in_path("haproxy") };
const CADDY: Package = Package { name: "caddy", present: || in_path("caddy") };
/// With it comes promtool.
const PROMETHEUS: Package = Package { name: "prometheus", present: || in_path("prometheus") };
/// All servers that tests and the demo start.
pub(crate) const SERVERS: [Package; 6] = [POSTGRESQL, REDIS, NGINX, HAPROXY, CADDY, PROMETHEUS];
/// What it takes to make a Python environment and to build Synapse's PostgreSQL driver in it.
pub(crate) const PYTHON: [Package; 3] = [
    Package { name: "python3-venv", present: || python::python("import venv, ensurepip").is_some() },
    Package { name: "python3-dev", present: || python::python(HAS_HEADERS).is_some() },
    Package { name: "libpq-dev", present: || Path::new("/usr/include/postgresql/libpq-fe.h").exists() },
];

const HAS_HEADERS: &str = "import os, sysconfig; os.stat(sysconfig.get_path('include') + '/Python.h')";

/// Installs those that are missing, where we are root; else names them.
///
/// # Errors
///
/// When one is missing and cannot be installed.
pub(crate) fn ensure_installed(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|package| !(package.present)()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if !Uid::effective().is_root() || !in_path("apt-get") {
        bail!("these Debian packages are missing; install them with: {command}");
    }
    println!("    {command}");
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], missing.as_slice()].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    run(command.arg("--quiet=2").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether there is such a program. The folders of administrators count: a service may lie there.
pub(crate) fn in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).exists())
        || Path::new("/usr/sbin").join(program).exists()
}
