//! A PostgreSQL server of a test's own, with TLS.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use key_backup_testkit::services::Postgres;
use tempfile::TempDir;

use crate::certificates::Pair;

/// A running server; it ends with this value.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    pub(crate) sockets: PathBuf,
    _data: TempDir,
}

impl Server {
    /// Starts a server that shows this certificate, trusts that authority's clients, and has these lines as `pg_hba.conf`.
    pub(crate) fn start(shown: Option<&Pair>, clients: Option<&Path>, hba: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        Postgres::give(directory.path()).unwrap();
        let initialised = as_postgres("initdb")
            .args(["--no-sync", "--auth=trust", "--username=tester", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(initialised.status.success(), "{}", String::from_utf8_lossy(&initialised.stderr));
        fs::write(data.join("pg_hba.conf"), hba).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(&data).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-c",
            "fsync=off",
            "-k",
        ]);
        command.arg(directory.path());
        if let Some(pair) = shown {
            command.args(["-c", "ssl=on", "-c", &setting("ssl_cert_file", &copy(&pair.certificate, &data))]);
            command.args(["-c", &setting("ssl_key_file", &copy(&pair.key, &data))]);
        }
        if let Some(authority) = clients {
            command.args(["-c", &setting("ssl_ca_file", &copy(authority, &data))]);
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { process, port, sockets: directory.path().to_owned(), _data: directory };
        server.wait();
        server
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        let socket = self.sockets.to_str().unwrap();
        let ready =
            || as_postgres("pg_isready").args(["-q", "-h", socket, "-p", &self.port.to_string()]).status();
        while !ready().unwrap().success() {
            assert!(Instant::now() < deadline, "PostgreSQL did not start within a minute");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT ends PostgreSQL at once, with all its processes; SIGKILL would leave those behind.
        let pid = self.process.id().to_string();
        if Command::new("kill").args(["-QUIT", &pid]).status().is_ok() {
            let _ = self.process.wait();
        }
    }
}

fn setting(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// A copy that only the server may read, as PostgreSQL demands of keys.
fn copy(file: &Path, data: &Path) -> PathBuf {
    let copy = data.join(file.file_name().unwrap());
    fs::copy(file, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    Postgres::give(&copy).unwrap();
    copy
}

/// It does not run as root, nor in a folder that its user may not enter.
fn as_postgres(program: &str) -> Command {
    let mut command = Postgres::program(program).unwrap();
    command.current_dir("/");
    command
}
