//! Who a token belongs to: Synapse's tables `access_tokens` and `users`.

use key_backup_model::UserId;
use tokio_postgres::Row;

use crate::{Database, StorageError, database::Query};

/// What Synapse's tables say of an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOwner {
    /// The row of `access_tokens`.
    pub token_id: i64,
    /// Whose data the token opens: the puppeted user, where an admin logged in as somebody else.
    pub user_id: UserId,
    /// Who logged in.
    pub authenticated: UserId,
    /// The device that the token belongs to.
    pub device_id: Option<String>,
    /// When it expires, in milliseconds since 1970; `None` for never.
    pub valid_until_ms: Option<i64>,
    /// The user is a guest.
    pub is_guest: bool,
    /// The user's account is locked.
    pub locked: bool,
    /// The token has been used before.
    pub used: bool,
    /// When the account ends, in milliseconds since 1970, for homeservers with account validity.
    pub expiration_ts_ms: Option<i64>,
}

/// What Synapse's tables say of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserStanding {
    /// There is such an account.
    pub is_registered: bool,
    /// It is a guest's.
    pub is_guest: bool,
    /// It has the device that was asked for.
    pub has_device: bool,
}

const GET: Query = Query {
    desc: "get_user_by_access_token",
    verb: "SELECT",
    sql:
        "SELECT t.id, u.name, t.user_id, t.device_id, t.valid_until_ms, u.is_guest = 1 AS is_guest, u.locked,
                 coalesce(t.used, false) AS used, a.expiration_ts_ms
            FROM access_tokens t JOIN users u ON u.name = coalesce(t.puppets_user_id, t.user_id)
            LEFT JOIN account_validity a ON a.user_id = u.name
           WHERE t.token = $1",
};

/// A hidden device is one that Synapse made for itself.
const GET_USER: Query = Query {
    desc: "get_user_by_id",
    verb: "SELECT",
    sql: "SELECT (SELECT is_guest = 1 FROM users WHERE name = $1) AS is_guest,
                 EXISTS (SELECT FROM devices WHERE user_id = $1 AND device_id = $2 AND hidden IS NOT TRUE) AS has_device",
};

const MARK_USED: Query = Query {
    desc: "mark_access_token_as_used",
    verb: "UPDATE",
    sql: "UPDATE access_tokens SET used = true WHERE id = $1 AND used IS NOT TRUE RETURNING id",
};

impl Database {
    /// Looks a token up; `None` if Synapse has not issued it, or has revoked it.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn token_owner(&self, token: &str) -> Result<Option<TokenOwner>, StorageError> {
        if token.contains('\0') {
            return Ok(None);
        }
        let rows = self.read(GET, &[&token]).await?;
        Ok(rows.first().map(token_owner))
    }

    /// Looks a user up, and whether a device is theirs.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn user(&self, user: &UserId, device: Option<&str>) -> Result<UserStanding, StorageError> {
        // PostgreSQL has no U+0000, so nobody has such a device.
        let device = device.filter(|device| !device.contains('\0'));
        let rows = self.read(GET_USER, &[&user.as_str(), &device]).await?;
        let row = rows.first().ok_or(StorageError::UnexpectedRow { desc: GET_USER.desc, what: "one row" })?;
        let is_guest: Option<bool> = row.get("is_guest");
        Ok(UserStanding {
            is_registered: is_guest.is_some(),
            is_guest: is_guest.unwrap_or(false),
            has_device: row.get("has_device"),
        })
    }

    /// Notes that a token is in use: only this ends the refresh token before it.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn mark_token_used(&self, token_id: i64) -> Result<(), StorageError> {
        self.read(MARK_USED, &[&token_id]).await.map(drop)
    }
}

fn token_owner(row: &Row) -> TokenOwner {
    TokenOwner {
        token_id: row.get("id"),
        user_id: UserId::from_column(row.get("name")),
        authenticated: UserId::from_column(row.get("user_id")),
        device_id: row.get("device_id"),
        valid_until_ms: row.get("valid_until_ms"),
        is_guest: row.get::<_, Option<bool>>("is_guest").unwrap_or(false),
        locked: row.get::<_, Option<bool>>("locked").unwrap_or(false),
        used: row.get("used"),
        expiration_ts_ms: row.get("expiration_ts_ms"),
    }
}
