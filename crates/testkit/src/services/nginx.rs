//! nginx as the reverse proxy in front of Synapse and its workers.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use nix::sys::signal::Signal;

use super::free_port;
use crate::{
    http::{Address, Client},
    process::{Process, Program},
};

/// A reverse proxy on a loopback port.
#[derive(Debug)]
pub struct Nginx {
    port: u16,
    _process: Process,
}

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Upstreams {
    /// Everything that no worker takes.
    pub main: Address,
    /// What Synapse's documentation lets any generic worker serve, as far as the demo's clients use it.
    pub generic_worker: Address,
    /// `/_matrix/client/(r0|v3|unstable)/room_keys/`.
    pub key_backup: Address,
}

impl Nginx {
    /// Starts nginx with its files in `folder`, which may not exist yet.
    ///
    /// # Errors
    ///
    /// When nginx is not installed, or does not start; the message holds the end of its log.
    pub async fn start(folder: &Path, upstreams: &Upstreams) -> Result<Self> {
        let port = free_port()?;
        Self::with_config(folder, port, &config(folder, port, upstreams)).await
    }

    /// Starts nginx in front of several instances of one worker, among which it divides all requests.
    ///
    /// # Errors
    ///
    /// As [`Nginx::start`].
    pub async fn balance(folder: &Path, instances: &[Address]) -> Result<Self> {
        let port = free_port()?;
        Self::with_config(folder, port, &balancing_config(folder, port, instances)).await
    }

    async fn with_config(folder: &Path, port: u16, config: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("nginx.conf"), config)?;
        let program = Program {
            name: "nginx",
            path: &PathBuf::from("/usr/sbin/nginx"),
            user: None,
            log: folder.join("nginx.log"),
            stop_signal: Signal::SIGTERM,
        };
        let mut command = program.command();
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(["-e", "stderr"]);
        let mut process = program.spawn(command)?;
        let client = Client::new(Address::loopback(port));
        process
            .wait_until(Duration::from_secs(20), async || {
                client.get("/health").await.is_ok_and(|answer| answer.status == 200)
            })
            .await?;
        Ok(Self { port, _process: process })
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        Address::loopback(self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The paths are regular expressions without a path in `proxy_pass`, so that nginx hands the path on as it came: a
/// session's id may hold an encoded slash.
fn config(folder: &Path, port: u16, upstreams: &Upstreams) -> String {
    let [main, generic_worker, key_backup] =
        [&upstreams.main, &upstreams.generic_worker, &upstreams.key_backup].map(server);
    let begin = begin(folder);
    format!(
        r#"{begin}
    upstream main {{ server {main}; keepalive 8; }}
    upstream generic_worker {{ server {generic_worker}; keepalive 8; }}
    upstream key_backup {{ server {key_backup}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 50M;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host:$server_port;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        location / {{ proxy_pass http://main; }}
        location ~ ^/_matrix/client/versions$ {{ proxy_pass http://generic_worker; }}
        location ~ ^/_matrix/client/(r0|v3|unstable)/(sync|events|initialSync|createRoom|publicRooms|joined_rooms|search|login|register|account/(3pid|whoami|deactivate)|voip/turnServer)$ {{ proxy_pass http://generic_worker; }}
        location ~ ^/_matrix/client/(r0|v3|unstable)/(keys|devices|profile|join|knock|user/.*/filter)(/|$) {{ proxy_pass http://generic_worker; }}
        location ~ ^/_matrix/client/(r0|v3|unstable)/rooms/.*/(joined_members|members|messages|state|context|event|send|redact|join|invite|leave|ban|unban|kick)(/|$) {{ proxy_pass http://generic_worker; }}
        location ~ ^/_matrix/client/(r0|v3|unstable)/room_keys/ {{ proxy_pass http://key_backup; }}
    }}
}}
"#
    )
}

/// With `max_fails=0` an instance that is being restarted is tried again at once, and not only ten seconds later.
fn balancing_config(folder: &Path, port: u16, instances: &[Address]) -> String {
    let servers: Vec<String> =
        instances.iter().map(|address| format!("server {} max_fails=0;", server(address))).collect();
    let servers = servers.join(" ");
    let begin = begin(folder);
    format!(
        r#"{begin}
    upstream key_backup {{ {servers} keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location / {{ proxy_pass http://key_backup; }}
    }}
}}
"#
    )
}

/// Where nginx keeps its files, up to the middle of its section `http`.
fn begin(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"daemon off;
pid "{folder}/nginx.pid";
error_log stderr;
events {{}}
http {{
    access_log "{folder}/access.log";
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";"#
    )
}

fn server(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}
