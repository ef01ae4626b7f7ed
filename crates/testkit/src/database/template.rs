//! The database that test databases are copies of.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use anyhow::Result;
use tokio_postgres::Client;

use crate::services::PostgresAddress;

const SCHEMA: &str = include_str!("../schema.sql");

/// The name of a template with the present schema on this server, made now if there is none.
pub(super) async fn prepared(server: &PostgresAddress) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    SCHEMA.hash(&mut hasher);
    let name = format!("template_{:016x}", hasher.finish());
    let client = server.connect("postgres").await?;
    if exists(&client, &name).await? {
        return Ok(name);
    }
    // Held until the connection closes; advisory locks belong to the database `postgres` that we are connected to.
    client.batch_execute("SELECT pg_advisory_lock(hashtext('key-backup test template'))").await?;
    if !exists(&client, &name).await? {
        make(server, &client, &name).await?;
    }
    Ok(name)
}

async fn exists(client: &Client, name: &str) -> Result<bool> {
    Ok(client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await?.is_some())
}

/// Under another name until it is complete, so that whoever finds the template finds it whole.
async fn make(server: &PostgresAddress, client: &Client, name: &str) -> Result<()> {
    client.batch_execute("DROP DATABASE IF EXISTS template_in_making WITH (FORCE)").await?;
    client.batch_execute("CREATE DATABASE template_in_making").await?;
    server.connect("template_in_making").await?.batch_execute(SCHEMA).await?;
    client.batch_execute(&format!("ALTER DATABASE template_in_making RENAME TO {name}")).await?;
    Ok(())
}

/// Drops what test processes that were killed have left on a server that outlived them.
pub(super) async fn sweep(client: &Client) -> Result<()> {
    for row in
        client.query("SELECT datname::text FROM pg_database WHERE datname LIKE 'test\\_%'", &[]).await?
    {
        let name: String = row.get(0);
        let process = name.split('_').nth(1).unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        }
    }
    Ok(())
}

pub(super) async fn drop_database(server: &PostgresAddress, name: &str) -> Result<()> {
    let client = server.connect("postgres").await?;
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    Ok(())
}
