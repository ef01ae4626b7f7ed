//! The `ssl*` keywords.

use key_backup_storage::{ClientCertificate, RootCertificates, SslMode, TlsSettings, TlsVersion};

use crate::support::{connection, with_args};

fn tls(args: &str) -> TlsSettings {
    connection(args).tls
}

#[test]
fn every_mode_is_known_and_prefer_is_the_default() {
    for (args, expected) in [
        ("{}", SslMode::Prefer),
        ("{sslmode: disable}", SslMode::Disable),
        ("{sslmode: allow}", SslMode::Prefer),
        ("{sslmode: prefer}", SslMode::Prefer),
        ("{sslmode: require}", SslMode::Require),
        ("{sslmode: verify-ca, sslrootcert: /ca.pem}", SslMode::VerifyCa),
        ("{sslmode: verify-full, sslrootcert: /ca.pem}", SslMode::VerifyFull),
        ("{sslrootcert: system}", SslMode::VerifyFull),
        ("{dsn: 'postgresql://h/d?ssl=true'}", SslMode::Require),
    ] {
        assert_eq!(tls(args).mode, expected, "{args}");
    }
    let setup = with_args("{}").with_variable("PGSSLMODE", "require");
    assert_eq!(setup.config().database.connection.tls.mode, SslMode::Require);
}

#[test]
fn root_certificates_are_a_file_the_system_or_that_of_the_home_directory() {
    assert_eq!(tls("{}").roots, RootCertificates::None);
    assert_eq!(tls("{sslrootcert: /ca.pem}").roots, RootCertificates::File("/ca.pem".into()));
    assert_eq!(tls("{sslrootcert: system}").roots, RootCertificates::System);
    let setup = with_args("{sslmode: verify-ca}").with_home(&[(".postgresql/root.crt", "")]);
    let expected = RootCertificates::File(setup.path(".postgresql/root.crt"));
    assert_eq!(setup.config().database.connection.tls.roots, expected);
}

#[test]
fn a_client_certificate_is_given_or_found_at_home() {
    assert_eq!(tls("{}").client_certificate, None);
    assert_eq!(
        tls("{sslcert: /c.pem, sslkey: /k.pem}").client_certificate,
        Some(ClientCertificate { certificate: "/c.pem".into(), key: "/k.pem".into() })
    );
    let setup = with_args("{}").with_home(&[(".postgresql/postgresql.crt", "")]);
    let expected = ClientCertificate {
        certificate: setup.path(".postgresql/postgresql.crt"),
        key: setup.path(".postgresql/postgresql.key"),
    };
    assert_eq!(setup.config().database.connection.tls.client_certificate, Some(expected));
}

#[test]
fn the_rest_has_libpqs_defaults() {
    let defaults = tls("{}");
    assert!(!defaults.direct && defaults.server_name_indication);
    assert_eq!((defaults.minimum_version, defaults.maximum_version), (TlsVersion::Tls12, TlsVersion::Tls13));
    let set = tls("{sslmode: require, sslnegotiation: direct, sslsni: 0, ssl_min_protocol_version: TLSv1.3}");
    assert!(set.direct && !set.server_name_indication);
    assert_eq!(set.minimum_version, TlsVersion::Tls13);
    assert_eq!(tls("{ssl_max_protocol_version: TLSv1.2}").maximum_version, TlsVersion::Tls12);
    assert_eq!(tls("{ssl_min_protocol_version: TLSv1}").minimum_version, TlsVersion::Tls12);
}
