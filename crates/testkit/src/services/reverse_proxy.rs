//! A reverse proxy that runs a configuration of the repository's `deploy/proxies`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::free_port;
use crate::{
    http::{Address, Client},
    process::{Process, Program},
};

/// The programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReverseProxyKind {
    /// With `nginx.conf`.
    Nginx,
    /// With `haproxy.cfg`.
    Haproxy,
    /// With the `Caddyfile`.
    Caddy,
}

/// A reverse proxy on a loopback port.
#[derive(Debug)]
pub struct ReverseProxy {
    port: u16,
    _process: Process,
}

impl ReverseProxy {
    /// Starts it with its files in `folder`, which may not exist yet. Of `config`, the text of its file, only the port 8448 is changed, to
    /// a free one. It is up when `/_matrix/client/versions` is answered.
    ///
    /// # Errors
    ///
    /// When it is not installed, or does not start; the message holds the end of its log.
    pub async fn start(kind: ReverseProxyKind, folder: &Path, config: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let port = free_port()?;
        let config = config.replace("8448", &port.to_string());
        let (path, arguments, config) = match kind {
            ReverseProxyKind::Nginx => {
                ("/usr/sbin/nginx", ["-e", "stderr", "-c", "config"], nginx(&folder, &config))
            }
            ReverseProxyKind::Haproxy => ("/usr/sbin/haproxy", ["-q", "-db", "-f", "config"], config),
            ReverseProxyKind::Caddy => {
                let config = format!("{{\n\tadmin off\n}}\n{config}");
                ("/usr/bin/caddy", ["run", "--adapter=caddyfile", "--config", "config"], config)
            }
        };
        fs::write(folder.join("config"), config)?;
        let program = Program {
            name: path,
            path: &PathBuf::from(path),
            user: None,
            log: folder.join("log"),
            stop_signal: Signal::SIGTERM,
        };
        let mut command = program.command();
        // Caddy wants to keep files at home.
        command.current_dir(&folder).env("HOME", &folder).args(arguments.map(|argument| {
            if argument == "config" { folder.join(argument).into_os_string() } else { argument.into() }
        }));
        let mut process = program.spawn(command)?;
        let client = Client::new(Address::loopback(port));
        let is_up =
            async || client.get("/_matrix/client/versions").await.is_ok_and(|answer| answer.status == 200);
        process.wait_until(Duration::from_secs(20), is_up).await.context("a reverse proxy does not start")?;
        Ok(Self { port, _process: process })
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        Address::loopback(self.port)
    }
}

/// A whole configuration around the lines of the `http` block.
fn nginx(folder: &Path, lines: &str) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path \"{folder}/{kind}\";\n"))
        .concat();
    format!(
        "daemon off;\npid \"{folder}/pid\";\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{lines}\n}}\n"
    )
}
