//! PostgreSQL's own limit: pgbench with the statements that the worker has sent, and `\copy` of the rows of a restore.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use key_backup_testkit::services::Postgres;
use tokio::process::Command;

use super::{
    deployed::Deployed,
    measured::LimitSample,
    round_trips::Overheard,
    script::{FIRST_USER, Script, USERS_OF_A_CLIENT},
    work::{Limit, Work},
};
use crate::traffic::world::{Kind, USERS};

/// How a work is to be done by PostgreSQL alone.
pub(super) enum Alone {
    Nothing,
    Pgbench {
        script: Script,
        connections: usize,
        /// Of the backups of pgbench's users.
        etag: i64,
    },
    Copy {
        keys: usize,
    },
}

/// Prepares for a work, after the worker has had some load of it.
pub(super) async fn prepare(
    work: &Work,
    overheard: Option<&Overheard>,
    deployed: &Deployed,
) -> Result<Alone> {
    let user = match work.limit {
        Limit::None => return Ok(Alone::Nothing),
        Limit::Copy { keys } => return Ok(Alone::Copy { keys }),
        Limit::Statement => None,
        Limit::StatementOfManyUsers => Some(Kind::Uploader.user(0)),
    };
    let overheard = overheard.filter(|overheard| !overheard.sent.is_empty());
    let overheard =
        overheard.with_context(|| format!("the worker's statements for {} were not overheard", work.name))?;
    let script = Script::new(&overheard.sent, user.as_deref(), &deployed.client).await?;
    let connections = connections(deployed).await?.min(work.connections);
    Ok(Alone::Pgbench { script, connections, etag: overheard.etag_before })
}

/// Runs one round.
pub(super) async fn run(alone: &Alone, deployed: &Deployed, time: Duration) -> Result<Option<LimitSample>> {
    match alone {
        Alone::Nothing => Ok(None),
        Alone::Pgbench { script, connections, etag } => {
            if script.has_many_users {
                make_users(deployed, *connections, *etag).await?;
            }
            pgbench(script, *connections, deployed, time).await.map(Some)
        }
        Alone::Copy { keys } => copy(*keys, deployed).await.map(Some),
    }
}

async fn pgbench(
    script: &Script,
    clients: usize,
    deployed: &Deployed,
    time: Duration,
) -> Result<LimitSample> {
    let folder = key_backup_testkit::temporary_folder()?;
    let file = folder.path().join("script.sql");
    fs::write(&file, &script.text)?;
    let mut command = program("pgbench", deployed)?;
    command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
    command.arg(format!("--client={clients}")).arg(format!("--time={}", time.as_secs().max(1)));
    command.arg("--file").arg(&file);
    for (name, value) in &script.variables {
        command.arg("-D").arg(format!("{name}={value}"));
    }
    let before = deployed.database.cpu()?;
    let output = output(&mut command).await?;
    let cpu = deployed.database.cpu()?.saturating_sub(before);
    let transactions = figure(&output, "number of transactions actually processed: ")?;
    ensure!(transactions > 0.0, "pgbench did nothing:\n{output}");
    if script.has_many_users {
        check_and_remove_users(deployed, transactions).await?;
    }
    let per_second = figure(&output, "tps = ")?;
    Ok(LimitSample { per_second, database_cpu: cpu.as_secs_f64() * 1000.0 / transactions })
}

/// Users with an empty backup, each for one transaction of pgbench. Their etag is that of the user for whom the worker has sent its
/// statements, so that the count that it knew fits.
async fn make_users(deployed: &Deployed, clients: usize, etag: i64) -> Result<()> {
    let count = clients * USERS_OF_A_CLIENT;
    let sql = format!(
        "INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data, deleted, etag)
         SELECT ({FIRST_USER} + n)::text, 1, algorithm, auth_data, 0, {etag}
           FROM e2e_room_keys_versions, generate_series(0, {count} - 1) AS n WHERE user_id = '{}'",
        Kind::Uploader.user(0)
    );
    deployed.client.batch_execute(&sql).await?;
    deployed.client.batch_execute("VACUUM e2e_room_keys_versions").await?;
    Ok(())
}

/// A transaction that found no user of its own would have been cheaper than the worker's.
async fn check_and_remove_users(deployed: &Deployed, transactions: f64) -> Result<()> {
    let condition = format!("user_id LIKE '{}%'", &FIRST_USER.to_string()[..6]);
    let sql = format!("SELECT count(*)::float8 FROM e2e_room_keys WHERE {condition}");
    let stored: f64 = deployed.client.query_one(&sql, &[]).await?.get(0);
    for table in ["e2e_room_keys", "e2e_room_keys_versions"] {
        deployed.client.batch_execute(&format!("DELETE FROM {table} WHERE {condition}")).await?;
    }
    ensure!(stored >= transactions, "pgbench stored {stored} keys in {transactions} transactions");
    Ok(())
}

async fn copy(keys: usize, deployed: &Deployed) -> Result<LimitSample> {
    let mut command = program("psql", deployed)?;
    let user = Kind::Reader.user(keys);
    let copy = format!(
        "\\copy (SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data FROM e2e_room_keys \
         WHERE user_id = '{user}' AND version = 1) TO '/dev/null' WITH (FORMAT binary)"
    );
    command.args(["--no-psqlrc", "--command", "\\timing on", "--command", &copy]);
    let before = deployed.database.cpu()?;
    let output = output(&mut command).await?;
    let cpu = deployed.database.cpu()?.saturating_sub(before);
    let milliseconds = figure(&output, "Time: ")?;
    Ok(LimitSample { per_second: 1000.0 / milliseconds, database_cpu: cpu.as_secs_f64() * 1000.0 })
}

/// One of PostgreSQL's programs, with the settings of the worker's connections.
fn program(name: &str, deployed: &Deployed) -> Result<Command> {
    let path: PathBuf = Postgres::installed()?.join(name);
    let mut command = Command::new(path);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", deployed.deployment.postgres.address().port.to_string())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", deployed.deployment.synapse.database())
        .env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan")
        .kill_on_drop(true);
    Ok(command)
}

async fn output(command: &mut Command) -> Result<String> {
    let output = command.output().await.with_context(|| format!("cannot start {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "it failed:\n{errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The number that follows these words.
fn figure(output: &str, words: &str) -> Result<f64> {
    let (_, rest) = output.split_once(words).with_context(|| format!("no \"{words}\" in:\n{output}"))?;
    let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(rest.len());
    Ok(rest[..end].parse()?)
}

/// How many connections our worker has opened for requests; one more is for its own checks.
async fn connections(deployed: &Deployed) -> Result<usize> {
    let sql = "SELECT count(*) FROM pg_stat_activity
                WHERE application_name = 'key_backup1' AND query NOT LIKE '%cache_invalidation%'";
    let count: i64 = deployed.client.query_one(sql, &[]).await?.get(0);
    Ok(usize::try_from(count)?.clamp(1, USERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_the_programs_print() {
        let output =
            "number of transactions actually processed: 1234/1234\ntps = 567.8 (without)\nTime: 91.5 ms\n";
        let words = ["number of transactions actually processed: ", "tps = ", "Time: "];
        let figures: Vec<f64> = words.iter().map(|words| figure(output, words).unwrap()).collect();
        assert_eq!(figures, [1234.0, 567.8, 91.5]);
        assert!(figure(output, "latency = ").is_err());
    }
}
