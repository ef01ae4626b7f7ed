//! TLS against real PostgreSQL servers, with libpq's modes.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod certificates;
mod server;

use std::{error::Error, net::Ipv4Addr, path::PathBuf};

use certificates::{Authority, self_signed, version_1};
use key_backup_storage::{
    ChannelBinding, ClientCertificate, ConnectionSettings, Host, RootCertificates, SslMode,
    TargetSessionAttrs, TlsSettings, TlsVersion, connect,
};
use server::Server;
use tempfile::TempDir;

const ANYONE: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
const LOCALHOST: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1";

/// A connection to `name`, which is at 127.0.0.1, with unverified TLS.
fn settings(server: &Server, name: &str) -> ConnectionSettings {
    ConnectionSettings {
        hosts: vec![Host::Tcp {
            name: name.to_owned(),
            address: Some(Ipv4Addr::LOCALHOST.into()),
            port: server.port,
        }],
        user: "tester".to_owned(),
        password: None,
        dbname: "postgres".to_owned(),
        application_name: "tls test".to_owned(),
        options: None,
        connect_timeout: None,
        target_session_attrs: TargetSessionAttrs::Any,
        load_balance_hosts: false,
        keepalives: None,
        tcp_user_timeout: None,
        channel_binding: ChannelBinding::Prefer,
        tls: TlsSettings {
            mode: SslMode::Require,
            roots: RootCertificates::None,
            client_certificate: None,
            direct: false,
            server_name_indication: true,
            minimum_version: TlsVersion::Tls12,
            maximum_version: TlsVersion::Tls13,
        },
    }
}

/// The version of TLS that the server sees, or every reason why there is no connection.
async fn outcome(settings: &ConnectionSettings) -> Result<String, String> {
    let client = connect(settings).await.map_err(|error| reasons(&error))?;
    let row = client
        .query_one("SELECT coalesce(version, 'none') FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
        .await
        .map_err(|error| reasons(&error))?;
    Ok(row.get(0))
}

fn reasons(error: &dyn Error) -> String {
    let mut reasons = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        reasons = format!("{reasons}: {error}");
        next = error.source();
    }
    reasons
}

/// The settings with another mode and other root certificates.
fn verifying(server: &Server, name: &str, mode: SslMode, roots: Option<PathBuf>) -> ConnectionSettings {
    let mut settings = settings(server, name);
    settings.tls.mode = mode;
    settings.tls.roots = roots.map_or(RootCertificates::None, RootCertificates::File);
    settings
}

#[tokio::test]
async fn each_mode_verifies_as_much_as_libpq_does() {
    let files = TempDir::new().unwrap();
    let authority = Authority::new(files.path(), "authority");
    let stranger = Authority::new(files.path(), "stranger");
    let server = Server::start(Some(&authority.issue("server", LOCALHOST, "30")), None, ANYONE);
    let good = Some(authority.certificate());
    let bad = Some(stranger.certificate());

    for (mode, name, roots, expected) in [
        (SslMode::Disable, "localhost", None, Ok("none")),
        (SslMode::Prefer, "localhost", None, Ok("TLSv1.3")),
        (SslMode::Prefer, "localhost", bad.clone(), Ok("TLSv1.3")),
        (SslMode::Require, "other.test", None, Ok("TLSv1.3")),
        (SslMode::Prefer, "under_score", None, Ok("TLSv1.3")),
        (SslMode::Require, "other.test", good.clone(), Ok("TLSv1.3")),
        (SslMode::Require, "localhost", bad.clone(), Err("UnknownIssuer")),
        (SslMode::VerifyCa, "other.test", good.clone(), Ok("TLSv1.3")),
        (SslMode::VerifyCa, "localhost", bad.clone(), Err("UnknownIssuer")),
        (SslMode::VerifyFull, "localhost", good.clone(), Ok("TLSv1.3")),
        (SslMode::VerifyFull, "127.0.0.1", good.clone(), Ok("TLSv1.3")),
        (SslMode::VerifyFull, "other.test", good.clone(), Err("not valid for name")),
        (SslMode::VerifyFull, "server", good.clone(), Err("not valid for name")),
        (SslMode::VerifyFull, "127.0.0.2", good.clone(), Err("not valid for name")),
        (SslMode::VerifyFull, "localhost", bad.clone(), Err("UnknownIssuer")),
    ] {
        let outcome = outcome(&verifying(&server, name, mode, roots.clone())).await;
        match expected {
            Ok(version) => assert_eq!(outcome.as_deref(), Ok(version), "{mode:?} {name} {roots:?}"),
            Err(reason) => {
                let error = outcome.expect_err("this should not connect");
                assert!(error.contains(reason), "{mode:?} {name}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_used_only_where_tls_is_not_required() {
    let server = Server::start(None, None, ANYONE);
    assert_eq!(outcome(&verifying(&server, "localhost", SslMode::Prefer, None)).await.as_deref(), Ok("none"));
    let error = outcome(&verifying(&server, "localhost", SslMode::Require, None)).await.unwrap_err();
    assert!(error.contains("does not support TLS"), "{error}");
}

#[tokio::test]
async fn there_is_no_tls_on_unix_sockets_whatever_the_mode() {
    let files = TempDir::new().unwrap();
    let authority = Authority::new(files.path(), "authority");
    let server = Server::start(Some(&authority.issue("server", LOCALHOST, "30")), None, ANYONE);
    let socket = Host::Unix { directory: server.sockets.clone(), port: server.port };
    let mut settings = verifying(&server, "localhost", SslMode::VerifyFull, Some(authority.certificate()));
    settings.hosts = vec![socket.clone()];
    assert_eq!(outcome(&settings).await.as_deref(), Ok("none"));

    let tcp = Host::Tcp { name: "localhost".to_owned(), address: None, port: server.port };
    settings.hosts = vec![socket, tcp];
    let error = outcome(&settings).await.unwrap_err();
    assert!(error.contains("socket directories"), "{error}");
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_its_own_root() {
    let files = TempDir::new().unwrap();
    let own = self_signed(files.path(), "localhost", &["-subj", "/CN=localhost"]);
    let server = Server::start(Some(&own), None, ANYONE);
    let roots = Some(own.certificate.clone());
    for (mode, name, is_right) in [
        (SslMode::VerifyCa, "other.test", true),
        (SslMode::VerifyFull, "localhost", true),
        (SslMode::VerifyFull, "LocalHost", true),
        (SslMode::VerifyFull, "other.test", false),
        (SslMode::VerifyFull, "sub.localhost", false),
    ] {
        let outcome = outcome(&verifying(&server, name, mode, roots.clone())).await;
        assert_eq!(outcome.is_ok(), is_right, "{mode:?} {name}: {outcome:?}");
    }
    // Another certificate of the same name is not trusted.
    let other = TempDir::new().unwrap();
    let other = self_signed(other.path(), "localhost", &["-subj", "/CN=localhost"]);
    assert!(
        outcome(&verifying(&server, "localhost", SslMode::VerifyCa, Some(other.certificate))).await.is_err()
    );
}

#[tokio::test]
async fn a_common_name_counts_only_without_alternative_names() {
    let files = TempDir::new().unwrap();
    let authority = Authority::new(files.path(), "authority");
    let shown = authority.issue("*.db.test", "keyUsage=digitalSignature", "30");
    let server = Server::start(Some(&shown), None, ANYONE);
    let roots = Some(authority.certificate());
    for (name, is_right) in [
        ("one.db.test", true),
        ("ONE.DB.TEST", true),
        ("db.test", false),
        ("one.two.db.test", false),
        ("one.other.test", false),
    ] {
        let outcome = outcome(&verifying(&server, name, SslMode::VerifyFull, roots.clone())).await;
        assert_eq!(outcome.is_ok(), is_right, "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_version_1_is_accepted_unverified_and_as_its_own_root() {
    let files = TempDir::new().unwrap();
    let own = version_1(files.path(), "localhost");
    let server = Server::start(Some(&own), None, ANYONE);
    for (mode, roots) in [
        (SslMode::Prefer, None),
        (SslMode::Require, None),
        (SslMode::VerifyCa, Some(own.certificate.clone())),
        (SslMode::VerifyFull, Some(own.certificate.clone())),
    ] {
        assert_eq!(
            outcome(&verifying(&server, "localhost", mode, roots)).await.as_deref(),
            Ok("TLSv1.3"),
            "{mode:?}"
        );
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_where_it_is_verified() {
    let files = TempDir::new().unwrap();
    let authority = Authority::new(files.path(), "authority");
    let server = Server::start(Some(&authority.issue("server", LOCALHOST, "-1")), None, ANYONE);
    let verified = verifying(&server, "localhost", SslMode::VerifyCa, Some(authority.certificate()));
    let error = outcome(&verified).await.unwrap_err();
    assert!(error.contains("xpired"), "{error}");
    assert!(outcome(&verifying(&server, "localhost", SslMode::Require, None)).await.is_ok());
}

#[tokio::test]
async fn the_versions_of_tls_can_be_bounded() {
    let files = TempDir::new().unwrap();
    let authority = Authority::new(files.path(), "authority");
    let server = Server::start(Some(&authority.issue("server", LOCALHOST, "30")), None, ANYONE);
    let mut settings = verifying(&server, "localhost", SslMode::VerifyFull, Some(authority.certificate()));
    settings.tls.maximum_version = TlsVersion::Tls12;
    assert_eq!(outcome(&settings).await.as_deref(), Ok("TLSv1.2"));
    settings.tls.minimum_version = TlsVersion::Tls13;
    settings.tls.maximum_version = TlsVersion::Tls13;
    assert_eq!(outcome(&settings).await.as_deref(), Ok("TLSv1.3"));
}

#[tokio::test]
async fn a_client_certificate_proves_who_the_worker_is() {
    let files = TempDir::new().unwrap();
    let authority = Authority::new(files.path(), "authority");
    let shown = authority.issue("server", LOCALHOST, "30");
    let hba = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n";
    let server = Server::start(Some(&shown), Some(&authority.certificate()), hba);
    let mut settings = verifying(&server, "localhost", SslMode::VerifyFull, Some(authority.certificate()));
    assert!(outcome(&settings).await.is_err(), "without a certificate");

    let client = authority.issue("tester", "extendedKeyUsage=clientAuth", "30");
    settings.tls.client_certificate =
        Some(ClientCertificate { certificate: client.certificate, key: client.key });
    assert_eq!(outcome(&settings).await.as_deref(), Ok("TLSv1.3"));
}

#[tokio::test]
async fn a_password_can_be_bound_to_the_channel() {
    let files = TempDir::new().unwrap();
    let authority = Authority::new(files.path(), "authority");
    let hba = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let server = Server::start(Some(&authority.issue("server", LOCALHOST, "30")), None, hba);
    let mut local = settings(&server, "localhost");
    local.hosts = vec![Host::Unix { directory: server.sockets.clone(), port: server.port }];
    let client = connect(&local).await.unwrap();
    client.batch_execute("ALTER ROLE tester PASSWORD 'pencil'").await.unwrap();

    let mut remote = settings(&server, "localhost");
    remote.password = Some("pencil".into());
    for (binding, mode, is_right) in [
        (ChannelBinding::Require, SslMode::Require, true),
        (ChannelBinding::Prefer, SslMode::Require, true),
        (ChannelBinding::Disable, SslMode::Require, true),
        (ChannelBinding::Prefer, SslMode::Disable, true),
        (ChannelBinding::Require, SslMode::Disable, false),
    ] {
        remote.channel_binding = binding;
        remote.tls.mode = mode;
        let outcome = outcome(&remote).await;
        assert_eq!(outcome.is_ok(), is_right, "{binding:?} {mode:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_wrong_file_is_named_and_nothing_of_it_is_told() {
    let files = TempDir::new().unwrap();
    let authority = Authority::new(files.path(), "authority");
    let server = Server::start(None, None, ANYONE);
    let garbage = files.path().join("garbage.pem");
    std::fs::write(&garbage, "-----BEGIN s3cret").unwrap();
    let missing = files.path().join("missing.pem");
    let pair = authority.issue("tester", "", "30");

    let roots = |file: &PathBuf| verifying(&server, "localhost", SslMode::VerifyFull, Some(file.clone()));
    let client = |certificate: &PathBuf, key: &PathBuf| {
        let mut settings = settings(&server, "localhost");
        settings.tls.client_certificate =
            Some(ClientCertificate { certificate: certificate.clone(), key: key.clone() });
        settings
    };
    for (settings, file) in [
        (roots(&missing), &missing),
        (roots(&garbage), &garbage),
        (roots(&pair.key), &pair.key),
        (client(&missing, &pair.key), &missing),
        (client(&pair.certificate, &missing), &missing),
        (client(&pair.certificate, &garbage), &garbage),
        (client(&authority.certificate(), &pair.key), &pair.key),
    ] {
        let error = outcome(&settings).await.unwrap_err();
        assert!(error.contains(file.to_str().unwrap()), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}
