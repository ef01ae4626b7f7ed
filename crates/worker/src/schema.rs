//! Checks that the database is Synapse's, now if it can be reached, else as soon as it can.

use std::time::Duration;

use key_backup_metrics::BackgroundProcess;
use key_backup_storage::{Database, measured};

/// How long the start waits for the database: whatever else may be wrong is to be told within two seconds.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long to wait between tries.
const PAUSE: Duration = Duration::from_millis(250);

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
        if let Some(why) = self.try_once().await? {
            tracing::warn!("the database cannot be checked yet: {why}");
        }
        Ok(())
    }

    /// Whether the database has been found to be the right one.
    pub(crate) fn is_done(&self) -> bool {
        self.database.is_none()
    }

    /// Goes on trying, and calls `right` once the database is found to be the right one. Returns only if it is not one that can be served.
    pub(crate) async fn until_mismatch(mut self, right: impl FnOnce()) -> anyhow::Error {
        while !self.is_done() {
            tokio::time::sleep(PAUSE).await;
            // That it cannot be reached has been told.
            if let Err(mismatch) = self.try_once().await {
                return mismatch;
            }
        }
        right();
        std::future::pending().await
    }

    /// Why it cannot be checked, if it cannot be.
    async fn try_once(&mut self) -> anyhow::Result<Option<String>> {
        let Some(database) = &self.database else { return Ok(None) };
        let check = tokio::time::timeout(PATIENCE, database.check_schema(self.allow_unsafe_locale));
        let (outcome, usage) = self.process.run(Box::pin(measured(check))).await;
        self.process.worked(&usage.into());
        match outcome {
            Ok(Ok(outcome)) => {
                self.database = None;
                outcome?;
                Ok(None)
            }
            Ok(Err(error)) => Ok(Some(format!("{:#}", anyhow::Error::from(error)))),
            Err(_) => Ok(Some("it doesn't answer".to_owned())),
        }
    }
}
