//! A user who is logged in.

/// One login of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `@localpart:example.com`.
    pub user_id: String,
    /// The device of this login.
    pub device_id: String,
    /// What `Authorization: Bearer` takes.
    pub access_token: String,
}
