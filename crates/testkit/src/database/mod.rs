//! A database of its own for each test.

mod accounts;
mod template;

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use anyhow::Result;
use tokio_postgres::Client;

use crate::services::{Postgres, PostgresAddress};

/// A database with Synapse's tables, as far as the worker uses them, and nothing in them. Dropped with this value.
///
/// It takes a few dozen milliseconds to make: it is a copy of a template, which the first test on a server prepares.
#[derive(Debug)]
pub struct TestDatabase {
    server: PostgresAddress,
    name: String,
}

impl TestDatabase {
    /// Makes a database on the server of [`Postgres::from_env`].
    ///
    /// # Errors
    ///
    /// When there is no such server.
    pub async fn create() -> Result<Self> {
        Self::create_on(&Postgres::from_env()?).await
    }

    /// Makes a database on the given server: for tests that stop it.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn create_on(server: &PostgresAddress) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let template = template::prepared(server).await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", process::id());
        let client = server.connect("postgres").await?;
        if number == 1 {
            template::sweep(&client).await?;
        }
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        Ok(Self { server: server.clone(), name })
    }

    /// Connects as the superuser.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn connect(&self) -> Result<Client> {
        self.server.connect(&self.name).await
    }

    /// How many of its sessions wait for a lock at this moment.
    ///
    /// # Errors
    ///
    /// When the database cannot be asked.
    pub async fn waiting_for_locks(&self) -> Result<i64> {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        Ok(self.connect().await?.query_one(waiting, &[]).await?.get(0))
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that it is on.
    pub fn server(&self) -> &PostgresAddress {
        &self.server
    }

    /// The `database:` section of a Synapse config, over TCP.
    pub fn database_yaml(&self) -> String {
        self.server.database_yaml(&self.name)
    }
}

impl Drop for TestDatabase {
    /// Best effort: what stays behind on a server that lives longer is swept by a later test.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A drop cannot await, and the test's runtime may be one thread: this one.
        let _ = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(template::drop_database(&server, &name)))
        })
        .join();
    }
}
