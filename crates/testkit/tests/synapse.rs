//! The real Synapse that tests compare with.

use anyhow::Result;
use key_backup_testkit::{
    http::Client,
    services::{Nginx, Postgres, Redis, Synapse, SynapseVenv, Upstreams},
    temporary_folder,
};

#[tokio::test]
async fn users_of_the_main_process_are_known_to_the_generic_worker_behind_nginx() -> Result<()> {
    let folder = temporary_folder()?;
    let (postgres, redis) = (Postgres::from_env()?, Redis::from_env()?);
    let venv = SynapseVenv::from_env()?;
    let synapse = Synapse::start(&venv, &folder.path().join("synapse"), &postgres, redis).await?;
    let alice = synapse.register("alice").await?;
    let root = synapse.register_administrator("root").await?;
    let upstreams = Upstreams {
        main: synapse.main(),
        generic_worker: synapse.generic_worker(),
        key_backup: synapse.generic_worker(),
    };
    let nginx = Nginx::start(&folder.path().join("nginx"), &upstreams).await?;
    let client = Client::new(nginx.address());
    let answer = client.as_user(&alice.access_token).get("/_matrix/client/v3/account/whoami").await?;
    assert_eq!(answer.json()?["user_id"], "@alice:example.com");
    let users = client.as_user(&root.access_token).get("/_synapse/admin/v2/users").await?;
    assert_eq!(users.json()?["total"], 2);
    let log = synapse.generic_worker_process().log();
    assert!(log.contains("account/whoami"), "{log}");
    Ok(())
}
