//! `redis`.

use key_backup_cache::{RedisAddress, RedisSettings, RedisTls};
use key_backup_worker::config::InlineSecrets;
use secrecy::ExposeSecret;

use crate::support::{Setup, with};

fn redis(keys: &str) -> RedisSettings {
    with(&format!("redis: {{enabled: true, {keys}}}")).config().redis.unwrap()
}

fn password(settings: &RedisSettings) -> Option<&str> {
    settings.password.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn redis_is_off_unless_it_is_enabled() {
    for text in ["{}", "redis: null", "redis: {}", "redis: {host: r}", "redis: {enabled: false, port: wrong}"]
    {
        assert!(with(text).config().redis.is_none(), "{text}");
    }
}

#[test]
fn the_defaults_are_those_of_synapse() {
    let redis = redis("");
    assert_eq!(redis.address, RedisAddress::Tcp { host: "localhost".to_owned(), port: 6379, tls: None });
    assert!(redis.username.is_none() && redis.password.is_none() && redis.dbid.is_none());
}

#[test]
fn a_socket_wins_over_host_port_and_tls() {
    let redis = redis("path: /run/redis.sock, host: r, port: 1, use_tls: true");
    assert_eq!(redis.address, RedisAddress::Unix("/run/redis.sock".into()));
}

#[test]
fn credentials_and_database_are_read() {
    let redis = redis("host: r, port: 6380, username: worker, password: pass, dbid: 3");
    assert_eq!(redis.address, RedisAddress::Tcp { host: "r".to_owned(), port: 6380, tls: None });
    assert_eq!(redis.username.as_deref(), Some("worker"));
    assert_eq!(password(&redis), Some("pass"));
    assert_eq!(redis.dbid, Some(3));
}

#[test]
fn an_empty_password_counts_only_beside_a_username() {
    assert_eq!(password(&redis("password: ''")), None);
    assert_eq!(password(&redis("username: u, password: ''")), Some(""));
}

#[test]
fn tls_has_its_files() {
    let redis =
        redis("use_tls: true, certificate_file: /c, private_key_file: /k, ca_file: /ca, ca_path: /cas");
    let tls = RedisTls {
        client_certificate: Some(("/c".into(), "/k".into())),
        ca_file: Some("/ca".into()),
        ca_path: Some("/cas".into()),
    };
    assert_eq!(redis.address, RedisAddress::Tcp { host: "localhost".to_owned(), port: 6379, tls: Some(tls) });
}

#[test]
fn a_password_in_a_file_is_stripped_and_works_where_secrets_are_refused() {
    let mut setup = Setup::minimal();
    let file = setup.write("redis-password", "\n  pass word \n");
    setup.inline = InlineSecrets::Refused;
    let text = format!("redis: {{enabled: true, password_path: {}}}", file.display());
    let redis = setup.with("redis.yaml", &text).config().redis.unwrap();
    assert_eq!(password(&redis), Some("pass word"));
}
