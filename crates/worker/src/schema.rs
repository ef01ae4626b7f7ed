//! Checks that the database is Synapse's, now if it can be reached, else as soon as it can.

use std::time::Duration;

use key_backup_metrics::BackgroundProcess;
use key_backup_storage::{Database, measured};

/// How long the start waits for the database: whatever else may be wrong is to be told within two seconds.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long to wait between tries.
const PAUSE: Duration = Duration::from_secs(2);

/// A check that is made until it has an answer.
pub(crate) struct Check {
    database: Option<Database>,
    allow_unsafe_locale: bool,
    process: BackgroundProcess,
}

impl Check {
    pub(crate) fn new(database: Database, allow_unsafe_locale: bool, process: BackgroundProcess) -> Self {
        Self { database: Some(database), allow_unsafe_locale, process }
    }

    /// Checks before anything is opened. A database that cannot be reached is checked later.
    ///
    /// # Errors
    ///
    /// What the database lacks.
    pub(crate) async fn first_try(&mut self) -> anyhow::Result<()> {
        let Some(database) = &self.database else { return Ok(()) };
        let check = tokio::time::timeout(PATIENCE, database.check_schema(self.allow_unsafe_locale));
        let (outcome, usage) = self.process.run(Box::pin(measured(check))).await;
        self.process.worked(&usage.into());
        match outcome {
            Ok(Ok(outcome)) => {
                self.database = None;
                Ok(outcome?)
            }
            Ok(Err(error)) => {
                tracing::warn!("the database cannot be checked yet: {:#}", anyhow::Error::from(error));
                Ok(())
            }
            Err(_) => {
                tracing::warn!("the database cannot be checked yet: it doesn't answer");
                Ok(())
            }
        }
    }

    /// Goes on trying. Returns only if the database is not one that can be served.
    pub(crate) async fn until_mismatch(mut self) -> anyhow::Error {
        while self.database.is_some() {
            tokio::time::sleep(PAUSE).await;
            if let Err(mismatch) = self.first_try().await {
                return mismatch;
            }
        }
        std::future::pending().await
    }
}
