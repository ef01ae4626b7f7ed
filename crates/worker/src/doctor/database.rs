//! What doctor asks PostgreSQL.

use std::time::Duration;

use key_backup_storage::{Database, Privileges, ServerFacts, StorageError};

use super::finding::{Finding, Level};
use crate::{backends::Backends, check_config::place, config::Config};

/// How long one check may take; to connect is part of the first.
const PATIENCE: Duration = Duration::from_secs(5);

/// A round trip from which on PostgreSQL counts as far away: each request makes one to three.
const SLOW: Duration = Duration::from_millis(10);

/// Milliseconds between two clocks that nobody notices, and from which on tokens expire at the wrong time.
const CLOCK_WARNING: u64 = 1_000;
const CLOCK_PROBLEM: u64 = 30_000;

/// Tables that are named before it gets too long for a person.
const NAMED: usize = 10;

/// The session, the server, the schema, the role's rights, the clock.
pub(super) async fn check(config: &Config, backends: &Backends) -> Vec<Finding> {
    let database = backends.for_checks();
    let facts = match within("database.connection", database.server_facts()).await {
        Ok(facts) => facts,
        Err(finding) => return vec![finding],
    };
    let mut findings = vec![connection(config, &facts), server(config, &facts), clock(facts.clock_ahead_ms)];
    let schema = schema(&database, config.database.allow_unsafe_locale).await;
    let is_synapses = schema.level == Level::Ok;
    findings.push(schema);
    if !is_synapses {
        // Where tables are missing, their rights are, too.
        return findings;
    }
    findings.extend(match within("database.privileges", database.check_privileges()).await {
        Ok(privileges) => self::privileges(&privileges),
        Err(finding) => vec![finding],
    });
    findings
}

/// Runs a question to PostgreSQL within the time limit.
async fn within<T>(
    check: &'static str,
    question: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, Finding> {
    const ADVICE: &str = "see whether PostgreSQL runs and lets this host in (pg_hba.conf, firewall), and whether \
                          `args` of the section `database` are right";
    let found = match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => format!("{:#}", anyhow::Error::from(error)),
        Err(_) => format!("PostgreSQL does not answer within {} s", PATIENCE.as_secs()),
    };
    Err(Finding::problem(check, found, ADVICE))
}

fn connection(config: &Config, facts: &ServerFacts) -> Finding {
    let place = place(&config.database.connection);
    let found = format!("connected to {place}; a round trip takes {:.1?}", facts.round_trip);
    if facts.round_trip < SLOW {
        return Finding::ok("database.connection", found);
    }
    Finding::warning(
        "database.connection",
        found,
        "run the worker closer to PostgreSQL, or see why it is slow",
    )
}

fn server(config: &Config, facts: &ServerFacts) -> Finding {
    const CHECK: &str = "database.server";
    let ServerFacts { version, encoding, collation, .. } = facts;
    let found = format!("PostgreSQL {version}, encoding {encoding}, collation {collation}");
    if facts.read_only {
        let advice =
            "connect to the primary: list all hosts and set `target_session_attrs: read-write` in `args`";
        return Finding::problem(CHECK, format!("{found}: it takes no writes"), advice);
    }
    if config.database.allow_unsafe_locale && !matches!(collation.as_str(), "C" | "POSIX") {
        let advice = "`allow_unsafe_locale` accepts it, but an update of the system's C library may corrupt indexes: \
                      Synapse's documentation tells how to move to C";
        return Finding::warning(CHECK, found, advice);
    }
    Finding::ok(CHECK, found)
}

async fn schema(database: &Database, allow_unsafe_locale: bool) -> Finding {
    const CHECK: &str = "database.schema";
    const ADVICE: &str = "see that `database` names Synapse's own database, with its `search_path` if it has one, and that \
                          Synapse's main process has been started on it in a version that is new enough";
    match within(CHECK, database.check_schema(allow_unsafe_locale)).await {
        Ok(Ok(())) => Finding::ok(CHECK, "all columns and unique indexes that the worker needs are there"),
        Ok(Err(mismatch)) => Finding::problem(CHECK, mismatch.to_string(), ADVICE),
        Err(finding) => finding,
    }
}

fn privileges(privileges: &Privileges) -> Vec<Finding> {
    const CHECK: &str = "database.privileges";
    let Privileges { role, unlimited, missing, superfluous } = privileges;
    let mut findings = Vec::new();
    if !missing.is_empty() {
        let found = format!("the role {role} lacks {}", missing.join("; "));
        let advice = "grant what deploy/postgresql/grants.sql grants: run that file on Synapse's database";
        findings.push(Finding::problem(CHECK, found, advice));
    }
    if *unlimited {
        let found = format!(
            "the role {role} is a superuser or owns Synapse's tables, and may do everything with {} tables",
            superfluous.len()
        );
        let advice = "it works; to let the worker do no more than it has to, give it the role of deploy/postgresql/grants.sql";
        findings.push(Finding::warning(CHECK, found, advice));
    } else if !superfluous.is_empty() {
        let found = format!("the role {role} has more than it needs: {}", shortened(superfluous));
        let advice = "revoke it from the role, from PUBLIC or from roles that it is a member of";
        findings.push(Finding::warning(CHECK, found, advice));
    }
    if findings.is_empty() {
        findings
            .push(Finding::ok(CHECK, format!("the role {role} has the rights that it needs, and no more")));
    }
    findings
}

fn shortened(tables: &[String]) -> String {
    let named = tables[..tables.len().min(NAMED)].join("; ");
    match tables.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and something on {more} more tables"),
    }
}

/// Whether a token has expired is decided by this host's clock, when it does by that of Synapse's host: PostgreSQL's stands for it.
fn clock(ahead_ms: i64) -> Finding {
    const CHECK: &str = "database.clock";
    let direction = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let found = format!("PostgreSQL's clock is {} ms {direction} this host's", ahead_ms.unsigned_abs());
    let advice =
        "let both hosts keep their time by NTP: tokens expire, and users are last seen, by these clocks";
    match ahead_ms.unsigned_abs() {
        0..CLOCK_WARNING => Finding::ok(CHECK, found),
        CLOCK_WARNING..CLOCK_PROBLEM => Finding::warning(CHECK, found, advice),
        CLOCK_PROBLEM.. => Finding::problem(CHECK, found, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_less_than_a_second() {
        let level = |ahead_ms| clock(ahead_ms).level;
        assert_eq!([level(0), level(999), level(-999)], [Level::Ok; 3]);
        assert_eq!([level(1_000), level(-29_999)], [Level::Warning; 2]);
        assert_eq!([level(30_000), level(-30_000), level(i64::MIN)], [Level::Problem; 3]);
        assert!(clock(-5_000).found.contains("5000 ms behind"));
    }
}
