//! `docs/openapi.yaml` against the real worker: Schemathesis makes requests of it, good ones and bad ones, and checks the answers.
//!
//! `cargo xtask test` and `cargo xtask schemathesis` install Schemathesis and name its virtual environment.

use std::{
    env,
    ffi::OsString,
    path::PathBuf,
    process::{Command, Stdio},
};

use key_backup_testkit::{TestDatabase, Worker, temporary_folder};
use serde_json::json;
use tokio::task::spawn_blocking;

/// Names the virtual environment.
const VENV: &str = "KEY_BACKUP_SCHEMATHESIS_VENV";

/// How many requests are made of each operation in each phase; few unless somebody asks for more.
const EXAMPLES: &str = "KEY_BACKUP_SCHEMATHESIS_EXAMPLES";

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_does_what_its_description_says() {
    let venv =
        PathBuf::from(env::var_os(VENV).unwrap_or_else(|| panic!("{VENV} is not set: use cargo xtask")));
    let database = TestDatabase::create().await.unwrap();
    let binary = env!("CARGO_BIN_EXE_key-backup-worker");
    let worker = Worker::configure(binary).database(&database).metrics().start().await.unwrap();
    let alice = database.add_user("alice").await.unwrap();
    let version = json!({ "algorithm": "m.test", "auth_data": {} });
    let client = worker.client().as_user(&alice.access_token);
    let made = client.post("/_matrix/client/v3/room_keys/version", &version).await.unwrap();
    assert_eq!(made.status, 200, "{}", made.text());
    let folder = temporary_folder().unwrap();
    let description = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.yaml");
    let mut command = Command::new(venv.join("bin/st"));
    command
        .args(["run", description, "--checks", "all", "--no-color"])
        // A schema cannot say that `1.0` is no integer, nor that an algorithm has to be that of the version.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--url", &url(&worker), "--header", &format!("Authorization: Bearer {}", alice.access_token)])
        .arg("--max-examples")
        .arg(env::var_os(EXAMPLES).unwrap_or_else(|| OsString::from("10")))
        // A preflight is answered for every path that there is and is not: nothing can be wrong with it.
        .args(["--exclude-method", "OPTIONS"])
        // The same requests in every run, whoever looks on.
        .args(["--seed", "1", "--generation-deterministic"])
        .args(["--output-sanitize", "false", "--request-timeout", "30"])
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let output = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!worker.log().contains("ERROR"), "{}", worker.log());
}

fn url(worker: &Worker) -> String {
    match worker.address() {
        key_backup_testkit::http::Address::Tcp(address) => format!("http://{address}"),
        key_backup_testkit::http::Address::Unix(path) => panic!("{} is no URL", path.display()),
    }
}
