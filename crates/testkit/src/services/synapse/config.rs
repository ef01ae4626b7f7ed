//! The config files of Synapse.

use std::path::Path;

use anyhow::Result;

use super::super::{RedisAddress, free_port};
use crate::SERVER_NAME;

/// Opens the administrators' registration endpoint, on loopback only.
pub(super) const REGISTRATION_SHARED_SECRET: &str = "registration";

#[derive(Debug)]
pub(super) struct Ports {
    pub(super) main: u16,
    pub(super) worker: u16,
    replication: u16,
}

impl Ports {
    pub(super) fn choose() -> Result<Self> {
        Ok(Self { main: free_port()?, worker: free_port()?, replication: free_port()? })
    }
}

/// `homeserver.yaml`, shared by the main process and all workers.
pub(super) fn homeserver(folder: &Path, ports: &Ports, database: &str, redis: RedisAddress) -> String {
    let Ports { main, replication, .. } = ports;
    let folder = folder.display();
    let redis = redis.redis_yaml();
    let unlimited = "{per_second: 10000, burst_count: 10000}";
    format!(
        "server_name: {SERVER_NAME}
report_stats: false
signing_key_path: \"{folder}/signing.key\"
media_store_path: \"{folder}/media\"
trusted_key_servers: []
registration_shared_secret: {REGISTRATION_SHARED_SECRET}
macaroon_secret_key: macaroon
form_secret: form
listeners:
  - {{type: http, port: {main}, bind_addresses: [127.0.0.1], x_forwarded: true, resources: [{{names: [client]}}]}}
  - {{type: http, port: {replication}, bind_addresses: [127.0.0.1], resources: [{{names: [replication]}}]}}
instance_map:
  main: {{host: 127.0.0.1, port: {replication}}}
rc_message: {unlimited}
rc_registration: {unlimited}
rc_login: {{address: {unlimited}, account: {unlimited}, failed_attempts: {unlimited}}}
{redis}{database}"
    )
}

/// A generic worker's own file. It shows its metrics under `/_synapse/metrics`.
pub(super) fn generic_worker(name: &str, port: u16) -> String {
    format!(
        "worker_app: synapse.app.generic_worker
worker_name: {name}
worker_listeners:
  - {{type: http, port: {port}, bind_addresses: [127.0.0.1], x_forwarded: true, resources: [{{names: [client, metrics]}}]}}
"
    )
}
