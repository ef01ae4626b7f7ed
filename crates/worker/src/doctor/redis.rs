//! What doctor asks Redis, and Synapse through it.

use key_backup_cache::{Redis, RedisFault, Replication};

use super::finding::Finding;
use crate::{check_config::redis_place, config::Config};

/// The login, the commands for counts, and the channel on which Synapse's processes speak.
pub(super) async fn check(config: &Config, redis: Option<&Redis>) -> Vec<Finding> {
    let (Some(redis), Some(settings)) = (redis, &config.redis) else {
        let found =
            "Redis is not enabled: every request asks PostgreSQL, and Synapse is not told who was seen";
        let advice = "Synapse with workers has a Redis: let the worker read the same section `redis`";
        return vec![Finding::warning("redis.connection", found, advice)];
    };
    let place = redis_place(&settings.address);
    let mut findings = match redis.check_login().await {
        Ok(time) => {
            vec![Finding::ok("redis.connection", format!("connected to {place}; a ping takes {time:.1?}"))]
        }
        Err(fault) => {
            let advice =
                "see whether Redis runs, and whether address and login in the section `redis` are right";
            return vec![Finding::problem("redis.connection", format!("{place}: {fault}"), advice)];
        }
    };
    findings.push(commands(redis.check_commands(&config.server_name).await, &config.server_name));
    findings.extend(match redis.check_replication(&config.server_name).await {
        Ok(replication) => self::replication(&replication, &config.server_name),
        Err(fault) => vec![refused_channel(&fault, &config.server_name)],
    });
    findings
}

fn commands(tried: Result<(), RedisFault>, server_name: &str) -> Finding {
    const CHECK: &str = "redis.commands";
    match tried {
        Ok(()) => Finding::ok(CHECK, "counts of keys can be shared"),
        Err(fault) => Finding::warning(
            CHECK,
            format!("counts of keys cannot be shared: {fault}"),
            format!(
                "connect to a primary that takes writes, and allow its user the keys key_backup:{server_name}:* with \
                 the commands for strings, hashes and scripts"
            ),
        ),
    }
}

fn replication(replication: &Replication, server_name: &str) -> Vec<Finding> {
    let Replication { instances, user_ip_listeners } = replication;
    let names: Vec<_> = instances.iter().map(String::as_str).collect();
    let mut findings = vec![if names.is_empty() {
        let found = format!("no process of Synapse answers on the channel {server_name}");
        let advice = "see whether Synapse runs, has the same `server_name`, and uses the same Redis with `enabled: true`; \
                      until then the worker may not notice at once what Synapse changes";
        Finding::problem("redis.replication", found, advice)
    } else {
        Finding::ok(
            "redis.replication",
            format!("Synapse answers on the channel {server_name}: {}", names.join(", ")),
        )
    }];
    if *user_ip_listeners == 0 {
        let found = format!("nobody listens on the channel {server_name}/USER_IP");
        let advice = "see whether Synapse's main process (or the worker of `run_background_tasks_on`) runs: without it nobody \
                      writes down when users were last seen";
        findings.push(Finding::warning("redis.user_ip", found, advice));
    } else {
        findings.push(Finding::ok("redis.user_ip", "Synapse hears who was seen"));
    }
    findings
}

fn refused_channel(fault: &RedisFault, server_name: &str) -> Finding {
    let advice =
        format!("allow the user of the section `redis` the channels {server_name} and {server_name}/*");
    Finding::problem("redis.replication", fault.to_string(), advice)
}
