//! What doctor asks the Matrix Authentication Service.

use std::time::Duration;

use key_backup_api::Mas;

use super::finding::Finding;
use crate::config::Config;

/// The service's own client gives up before that.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether it knows us, and refuses a token that nobody has. Nothing where it is not enabled.
pub(super) async fn check(config: &Config, mas: Option<&Mas>) -> Option<Finding> {
    const CHECK: &str = "matrix_authentication_service";
    const ADVICE: &str = "see whether the service runs, and whether `endpoint` is its address, with the path of its own if it has \
                          one, and the secret the one that it shares with Synapse (`matrix.secret` in its configuration)";
    let endpoint = &config.mas.as_ref()?.endpoint;
    Some(match tokio::time::timeout(PATIENCE, mas?.check()).await {
        Ok(Ok(true)) => {
            Finding::ok(CHECK, format!("{endpoint} knows us, and refuses a token that nobody has"))
        }
        Ok(Ok(false)) => {
            let found = format!("{endpoint} calls a token good that nobody has");
            Finding::problem(
                CHECK,
                found,
                "this is no Matrix Authentication Service that should be trusted: correct `endpoint`",
            )
        }
        Ok(Err(error)) => {
            Finding::problem(CHECK, format!("{endpoint}: {:#}", anyhow::Error::new(error)), ADVICE)
        }
        Err(_) => {
            let found = format!("{endpoint} does not answer within {} s", PATIENCE.as_secs());
            Finding::problem(CHECK, found, ADVICE)
        }
    })
}
