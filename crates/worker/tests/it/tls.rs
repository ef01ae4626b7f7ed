//! Listeners with `tls: true`.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use key_backup_testkit::{self_signed, temporary_folder};
use nix::sys::signal::Signal;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;

use crate::{
    common::{VERSION, eventually},
    listening::Listening,
};

const LISTENER: &str = "{type: http, port: 0, bind_addresses: [127.0.0.1], tls: true, tag: secure, resources: [{names: [client]}]}";

fn certificate(folder: &Path, name: &str) {
    self_signed(folder, name, "DNS:localhost").unwrap();
}

/// The files that the configuration names become a copy of that certificate.
fn install(folder: &Path, name: &str) {
    for extension in ["crt", "key"] {
        let file = |name: &str| folder.join(format!("{name}.{extension}"));
        fs::copy(file(name), file("current")).unwrap();
    }
}

/// A worker that shows the certificate `first` until it is given another.
async fn start(folder: &TempDir) -> Listening {
    certificate(folder.path(), "first");
    install(folder.path(), "first");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let yaml = format!(
        "tls_certificate_path: \"{}\"\ntls_private_key_path: \"{}\"\n",
        file("current.crt"),
        file("current.key")
    );
    Listening::start(&[LISTENER], &yaml).await
}

/// The answer to a GET, if the server proves to have that certificate.
async fn get(address: SocketAddr, path: &str, trusted: &Path) -> Result<String, String> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: tls\r\nConnection: close\r\n\r\n");
    let trusted = CertificateDer::from_pem_file(trusted).unwrap();
    tokio::task::spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        roots.add(trusted).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_tls_listener_proves_who_it_is_and_serves_the_key_backup() {
    let folder = temporary_folder().unwrap();
    let listening = start(&folder).await;
    let address = listening.addresses()[0];
    certificate(folder.path(), "stranger");
    let answer = get(address, VERSION, &folder.path().join("first.crt")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("M_MISSING_TOKEN"), "{answer}");
    assert!(get(address, "/health", &folder.path().join("stranger.crt")).await.is_err());
    assert!(listening.client(0).get("/health").await.is_err(), "HTTP without TLS is answered");
    eventually("the line in the request log", async || {
        listening.worker.log().contains(" - synapse.access.https.secure - ")
    })
    .await;
}

#[tokio::test]
async fn sighup_makes_it_show_the_new_certificate_and_a_broken_one_is_left_out() {
    let folder = temporary_folder().unwrap();
    let listening = start(&folder).await;
    let (address, file) = (listening.addresses()[0], |name: &str| folder.path().join(name));
    certificate(folder.path(), "second");
    install(folder.path(), "second");
    assert!(get(address, "/health", &file("first.crt")).await.is_ok());
    listening.worker.process().signal(Signal::SIGHUP).unwrap();
    eventually("the new certificate", async || get(address, "/health", &file("second.crt")).await.is_ok())
        .await;
    assert!(get(address, "/health", &file("first.crt")).await.is_err());

    fs::write(file("current.crt"), "no certificate").unwrap();
    listening.worker.process().signal(Signal::SIGHUP).unwrap();
    eventually("a word about it", async || listening.worker.log().contains("keeping the certificate")).await;
    assert!(get(address, "/health", &file("second.crt")).await.is_ok());
}
