//! Synapse's `database` and `databases`.

use std::time::Duration;

use key_backup_storage::DatabaseSettings;

use super::{
    ConfigError, Environment,
    files::Files,
    libpq,
    node::{Node, Section, or},
};

/// Twisted's pool sizes, which Synapse leaves as they are.
const MIN_CONNECTIONS: usize = 3;
const MAX_CONNECTIONS: usize = 5;
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(10);
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_mins(30);

const SQLITE: &str = "the worker needs Synapse's PostgreSQL database, and this is SQLite: set `name: psycopg2` \
                      with the `args` of Synapse's own database (Synapse's documentation tells how to move to PostgreSQL)";

/// Reads the database that holds Synapse's main store.
pub(super) fn read(
    files: &Files,
    environment: &Environment,
    worker_name: &str,
    warnings: &mut Vec<String>,
) -> Result<DatabaseSettings, ConfigError> {
    let section = main_database(files)?;
    match section.get("name") {
        Some(name) if name.text()? == "psycopg2" => {}
        Some(name) if name.text()? == "sqlite3" => return Err(name.error(SQLITE)),
        Some(name) => return Err(name.expected("psycopg2")),
        None => return Err(section.error(SQLITE)),
    }
    let args = section.require("args", "the parameters of the connection")?.section()?;
    let (min_connections, max_connections) = pool_size(&args)?;
    Ok(DatabaseSettings {
        connection: libpq::connection(&args, environment, worker_name, warnings)?,
        min_connections,
        max_connections,
        statement_timeout: timeout(&section, "statement_timeout", STATEMENT_TIMEOUT)?,
        idle_in_transaction_session_timeout: timeout(
            &section,
            "idle_in_transaction_session_timeout",
            IDLE_IN_TRANSACTION_TIMEOUT,
        )?,
        synchronous_commit: or(section.get("synchronous_commit"), Node::bool, true)?,
        allow_unsafe_locale: or(section.get("allow_unsafe_locale"), Node::bool, false)?,
        txn_limit: or(section.get("txn_limit"), |node| node.integer(0..=u64::MAX), 0)?,
    })
}

/// `database`, or the one of `databases` whose `data_stores` have `main`.
fn main_database(files: &Files) -> Result<Section<'_>, ConfigError> {
    let given = |key| files.get(key).filter(Node::is_truthy);
    match (given("database"), given("databases")) {
        (Some(_), Some(databases)) => Err(databases.error("`database` and `databases` exclude one another")),
        (Some(database), None) => database.section(),
        (None, Some(databases)) => {
            for (_, database) in databases.section()?.entries() {
                let section = database.section()?;
                if is_main(&section)? {
                    return Ok(section);
                }
            }
            Err(databases.error("no database has `main` among its `data_stores`"))
        }
        (None, None) => Err(files.missing("database", "Synapse's database section")),
    }
}

fn is_main(section: &Section<'_>) -> Result<bool, ConfigError> {
    let Some(stores) = section.get("data_stores") else { return Ok(true) };
    let stores = stores.items()?.iter().map(Node::text).collect::<Result<Vec<_>, _>>()?;
    Ok(stores.contains(&"main"))
}

fn pool_size(args: &Section<'_>) -> Result<(usize, usize), ConfigError> {
    const MOST: usize = 10_000;
    let min = or(args.get("cp_min"), |node| node.integer(0..=MOST), MIN_CONNECTIONS)?;
    let max = or(args.get("cp_max"), |node| node.integer(1..=MOST), MAX_CONNECTIONS)?;
    match args.get("cp_min") {
        Some(node) if min > max => Err(node.error("must not be above `cp_max`")),
        _ => Ok((min.min(max), max)),
    }
}

/// Null is no limit of ours; a missing key is Synapse's default.
fn timeout(section: &Section<'_>, key: &str, default: Duration) -> Result<Option<Duration>, ConfigError> {
    match section.get_or_null(key) {
        None => Ok(Some(default)),
        Some(node) if node.is_null() => Ok(None),
        Some(node) => node.duration().map(Some),
    }
}
