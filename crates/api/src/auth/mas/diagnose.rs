//! A question whose answer is known before, for `doctor`.

use std::sync::Arc;

use super::{Mas, MasError};

/// Nobody has such a token: it lacks the form that MAS gives to its tokens.
const NOBODYS: &str = "key_backup_worker_doctor";

impl Mas {
    /// Asks about a token that nobody has. `true` if MAS says so, as it should.
    ///
    /// # Errors
    ///
    /// [`MasError::Failed`] if MAS could not be asked, does not know the secret, or does not speak the protocol.
    pub async fn check(&self) -> Result<bool, Arc<MasError>> {
        match self.introspect(NOBODYS).await {
            Err(error) if matches!(*error, MasError::Failed(_)) => Err(error),
            Err(error) => Ok(error.is_refusal()),
            Ok(_) => Ok(false),
        }
    }
}
