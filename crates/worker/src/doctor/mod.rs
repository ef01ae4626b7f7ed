//! `doctor`: checks the deployment that a configuration describes, and says what to do about what it finds.
//!
//! Nothing is changed, and each check has a time limit: it works when everything else is down.

mod database;
mod finding;
mod listeners;
mod log;
mod mas;
mod proxy;
mod redis;
mod report;

use std::{io::Write, process::ExitCode};

use crate::{backends::Backends, config::Config};
use finding::Finding;
use report::Report;

/// Checks everything and writes a report: lines for people, or one JSON document.
///
/// The exit status is 0 if there is no problem; warnings are none. A configuration that cannot be used is a problem.
pub fn run(config: anyhow::Result<Config>, json: bool, out: &mut impl Write) -> ExitCode {
    let report = Report::new(findings(config));
    match if json { report.write_json(out) } else { report.write_text(out) } {
        Ok(()) if report.is_healthy() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn findings(config: anyhow::Result<Config>) -> Vec<Finding> {
    actix_web::rt::System::new().block_on(async {
        let prepared = config.and_then(|config| {
            let backends = Backends::prepare(&config)?;
            Ok((config, backends))
        });
        match prepared {
            Ok((config, backends)) => check(&config, &backends).await,
            Err(error) => vec![Finding::problem("config", format!("{error:#}"), "correct it, and try again")],
        }
    })
}

async fn check(config: &Config, backends: &Backends) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("config", "it can be used")];
    findings.extend(config.warnings.iter().map(|warning| {
        let advice = "remove it, or accept that this worker does without";
        Finding::warning("config", warning.clone(), advice)
    }));
    let (database, redis, mas) = tokio::join!(
        database::check(config, backends),
        redis::check(config, backends.redis.as_ref()),
        mas::check(config, backends.auth.mas.as_ref()),
    );
    findings.extend(database);
    findings.extend(redis);
    findings.extend(mas);
    findings.extend(listeners::check(&config.listeners));
    findings.push(log::check(&config.log.output));
    findings.extend(proxy::hint(config));
    findings
}
