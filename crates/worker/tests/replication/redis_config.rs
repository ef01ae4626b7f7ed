//! Every way in which Synapse's section `redis` can name a Redis.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use key_backup_testkit::{services::Redis, temporary_folder};
use tempfile::TempDir;

use crate::{
    backup::until,
    setup::{COUNTS_OF_ALICE, Setup},
};

/// Starts a worker on such a Redis, and waits until a count stands in it and the worker hears Synapse.
async fn works(arguments: &[&str], section: impl Fn(&Redis, &Path) -> String, cli: &[&str]) -> Result<Setup> {
    let folder = temporary_folder()?;
    prepare(&folder)?;
    let path = folder.path().to_owned();
    let arguments: Vec<String> =
        arguments.iter().map(|argument| argument.replace("{folder}", &path.display().to_string())).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let redis = Redis::start_with(&path.join("redis"), &arguments).await?;
    let yaml = format!("redis: {{enabled: true, {}}}", section(&redis, &path));
    let setup = Setup::on(folder, redis, &yaml).await?;
    setup.subscribed().await?;
    let version = setup.backup().create().await?;
    until("a count stands in Redis", async || {
        setup.backup().put(&version, "!a", "s").await?;
        setup.backup().poll().await?;
        let cli: Vec<String> =
            cli.iter().map(|word| word.replace("{folder}", &path.display().to_string())).collect();
        let mut words: Vec<&str> = cli.iter().map(String::as_str).collect();
        words.extend(["EXISTS", COUNTS_OF_ALICE]);
        Ok(setup.redis.address().command(&words)? == "1")
    })
    .await?;
    Ok(setup)
}

/// An authority, and a certificate of it for this machine, with their keys.
fn prepare(folder: &TempDir) -> Result<()> {
    let openssl = |arguments: &str| -> Result<()> {
        let output =
            Command::new("openssl").current_dir(folder.path()).args(arguments.split(' ')).output()?;
        ensure!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
    )?;
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=redis -addext subjectAltName=IP:127.0.0.1 -keyout redis.key -out redis.csr",
    )?;
    openssl(
        "x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out redis.pem",
    )
}

const TLS: [&str; 12] = [
    "--port",
    "0",
    "--tls-port",
    "{port}",
    "--tls-cert-file",
    "{folder}/redis.pem",
    "--tls-key-file",
    "{folder}/redis.key",
    "--tls-ca-cert-file",
    "{folder}/ca.pem",
    "--tls-auth-clients",
    "no",
];

const TLS_CLI: [&str; 2] = ["--tls", "--insecure"];

fn at(redis: &Redis) -> String {
    format!("host: 127.0.0.1, port: {}", redis.address().port)
}

const UNVERIFIED: &str = "Redis is not verified";

#[tokio::test]
async fn a_unix_socket_works() -> Result<()> {
    let section = |_: &Redis, folder: &Path| format!("path: '{}'", folder.join("redis.sock").display());
    works(&["--unixsocket", "{folder}/redis.sock"], section, &[]).await.map(drop)
}

#[tokio::test]
async fn a_password_works() -> Result<()> {
    let section = |redis: &Redis, _: &Path| format!("{}, password: secret", at(redis));
    works(&["--requirepass", "secret"], section, &["-a", "secret"]).await.map(drop)
}

#[tokio::test]
async fn a_user_works_who_may_do_no_more_than_the_documentation_says() -> Result<()> {
    let documented = include_str!("../../../../docs/caching.md");
    let rule = documented.lines().find_map(|line| line.trim().strip_prefix("ACL SETUSER key_backup "));
    let rule = rule.map(|rule| rule.replace("PASSWORD", "secret").replace("SERVER_NAME", "example.com"));
    let rule = rule.unwrap_or_default();
    let user: Vec<&str> = ["--user", "key_backup"].into_iter().chain(rule.split(' ')).collect();
    let section = |redis: &Redis, _: &Path| format!("{}, username: key_backup, password: secret", at(redis));
    let setup = works(&user, section, &[]).await?;
    let refused = setup.worker.metric("key_backup_redis_errors_total", &[]).await?;
    assert!(refused == 0, "{}", setup.worker.log());
    assert_eq!(setup.redis.address().command(&["ACL", "LOG"])?, "");
    Ok(())
}

#[tokio::test]
async fn another_database_works() -> Result<()> {
    let section = |redis: &Redis, _: &Path| format!("{}, dbid: 3", at(redis));
    works(&[], section, &["-n", "3"]).await.map(drop)
}

#[tokio::test]
async fn tls_with_an_authority_works_and_is_verified() -> Result<()> {
    let section = |redis: &Redis, folder: &Path| {
        format!("{}, use_tls: true, ca_file: '{}'", at(redis), folder.join("ca.pem").display())
    };
    let setup = works(&TLS, section, &TLS_CLI).await?;
    assert!(!setup.worker.log().contains(UNVERIFIED));
    let another_authority = temporary_folder()?;
    prepare(&another_authority)?;
    let ca_file = another_authority.path().join("ca.pem");
    let redis = format!(
        "redis: {{enabled: true, {}, use_tls: true, ca_file: '{}'}}",
        at(&setup.redis),
        ca_file.display()
    );
    let worker = setup.another(&redis).await?;
    until("the worker refuses Redis", async || Ok(worker.log().contains("not hearing Synapse"))).await?;
    setup.backup_at(&worker).poll().await?;
    let refused = worker.metric("key_backup_redis_errors_total", &[]).await?;
    assert!(refused > 0, "{}", worker.log());
    Ok(())
}

#[tokio::test]
async fn tls_with_a_folder_of_authorities_and_a_certificate_of_the_worker_works() -> Result<()> {
    let mut mutual = TLS;
    mutual[11] = "yes";
    let section = |redis: &Redis, folder: &Path| {
        let authorities = folder.join("authorities");
        std::fs::create_dir_all(&authorities).ok();
        std::fs::copy(folder.join("ca.pem"), authorities.join("ca.pem")).ok();
        let file = |name: &str| folder.join(name).display().to_string();
        format!(
            "{}, use_tls: true, ca_path: '{}', certificate_file: '{}', private_key_file: '{}'",
            at(redis),
            authorities.display(),
            file("redis.pem"),
            file("redis.key")
        )
    };
    let cli = ["--tls", "--insecure", "--cert", "{folder}/redis.pem", "--key", "{folder}/redis.key"];
    works(&mutual, section, &cli).await.map(drop)
}

#[tokio::test]
async fn tls_without_an_authority_works_unverified_and_says_so() -> Result<()> {
    let section = |redis: &Redis, _: &Path| format!("{}, use_tls: true", at(redis));
    let setup = works(&TLS, section, &TLS_CLI).await?;
    assert!(setup.worker.log().contains(UNVERIFIED));
    Ok(())
}
