//! `matrix_authentication_service`.

use key_backup_api::MasSettings;
use key_backup_worker::config::InlineSecrets;
use secrecy::ExposeSecret;

use crate::support::{Setup, with};

fn mas(keys: &str) -> MasSettings {
    with(&format!("matrix_authentication_service: {{enabled: true, {keys}}}")).config().mas.unwrap()
}

#[test]
fn the_service_is_off_unless_it_is_enabled() {
    for text in [
        "{}",
        "matrix_authentication_service: null",
        "matrix_authentication_service: {}",
        "matrix_authentication_service: {endpoint: 'http://mas', secret: s}",
        "matrix_authentication_service: {enabled: false, endpoint: wrong}",
        "experimental_features: null",
        "experimental_features: {msc3861: {}, msc3266_enabled: true}",
    ] {
        assert!(with(text).config().mas.is_none(), "{text}");
    }
}

#[test]
fn the_defaults_are_those_of_synapse() {
    let mas = mas("secret: s");
    assert_eq!(mas.endpoint.as_str(), "http://localhost:8080/");
    assert!(!mas.force_http2);
    assert_eq!(mas.secret.expose_secret(), "s");
}

#[test]
fn every_key_is_read_and_others_are_ignored() {
    let mas = mas("secret: s, endpoint: 'https://mas.test:8443/auth/', force_http2: true, other: 1");
    assert_eq!(mas.endpoint.as_str(), "https://mas.test:8443/auth/");
    assert!(mas.force_http2);
}

#[test]
fn a_secret_in_a_file_is_stripped_and_works_where_secrets_are_refused() {
    let mut setup = Setup::minimal();
    let file = setup.write("mas-secret", "\n  a secret \n");
    setup.inline = InlineSecrets::Refused;
    let keys = format!("enabled: true, secret: '', secret_path: {}", file.display());
    let config = setup.with("mas.yaml", &format!("matrix_authentication_service: {{{keys}}}")).config();
    assert_eq!(config.mas.unwrap().secret.expose_secret(), "a secret");
}

#[test]
fn an_empty_file_holds_no_secret() {
    let setup = Setup::minimal();
    let file = setup.write("mas-secret", "\n");
    let keys = format!("enabled: true, secret_path: {}", file.display());
    let setup = setup.with("mas.yaml", &format!("matrix_authentication_service: {{{keys}}}"));
    let message = setup.message();
    assert!(
        message.contains("mas.yaml, line 1, matrix_authentication_service: expected `secret`"),
        "{message}"
    );
}
