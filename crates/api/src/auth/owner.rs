//! What is remembered of a token as long as Synapse is heard.

use key_backup_model::UserId;
use key_backup_storage::TokenOwner;

/// To whom a token belongs that was let in before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Synapse has issued the token.
    Local(TokenOwner),
    /// The Matrix Authentication Service has issued it, and Synapse's tables have this user with this device.
    Delegated {
        /// The user.
        user: UserId,
        /// The device, where the token belongs to one.
        device_id: Option<String>,
    },
}
