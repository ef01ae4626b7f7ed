//! Users in a test database, as Synapse would have written them.

use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;

use super::TestDatabase;
use crate::{Account, SERVER_NAME};

/// The next `access_tokens.id`, which Synapse also draws from a counter in the process.
static NEXT_ID: AtomicI64 = AtomicI64::new(1);

impl TestDatabase {
    /// Registers `@localpart:example.com` and logs it in.
    ///
    /// # Errors
    ///
    /// When there is such a user.
    pub async fn add_user(&self, localpart: &str) -> Result<Account> {
        self.register(localpart, 0).await
    }

    /// As [`TestDatabase::add_user`], for a guest account.
    ///
    /// # Errors
    ///
    /// When there is such a user.
    pub async fn add_guest(&self, localpart: &str) -> Result<Account> {
        self.register(localpart, 1).await
    }

    async fn register(&self, localpart: &str, is_guest: i16) -> Result<Account> {
        let user_id = format!("@{localpart}:{SERVER_NAME}");
        self.connect()
            .await?
            .execute(
                "INSERT INTO users (name, creation_ts, is_guest) VALUES ($1, 1700000000, $2)",
                &[&user_id, &is_guest],
            )
            .await?;
        self.add_device(&user_id).await
    }

    /// Logs a user in once more: a new device with a new token.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn add_device(&self, user_id: &str) -> Result<Account> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let account = Account {
            user_id: user_id.to_owned(),
            device_id: format!("DEVICE{id}"),
            access_token: format!("syt_token_{id}"),
        };
        let client = self.connect().await?;
        client
            .execute(
                "INSERT INTO devices (user_id, device_id) VALUES ($1, $2)",
                &[&user_id, &account.device_id],
            )
            .await?;
        client
            .execute(
                "INSERT INTO access_tokens (id, user_id, device_id, token, used) VALUES ($1, $2, $3, $4, false)",
                &[&id, &user_id, &account.device_id, &account.access_token],
            )
            .await?;
        Ok(account)
    }

    /// A token by which an administrator acts as another user, without a device.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn add_puppet_token(&self, administrator: &str, user_id: &str) -> Result<String> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let token = format!("syt_puppet_{id}");
        self.connect()
            .await?
            .execute(
                "INSERT INTO access_tokens (id, user_id, token, puppets_user_id, used) VALUES ($1, $2, $3, $4, false)",
                &[&id, &administrator, &token, &user_id],
            )
            .await?;
        Ok(token)
    }

    /// Ends a token at a time, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn expire_token(&self, access_token: &str, valid_until_ms: i64) -> Result<()> {
        let sql = "UPDATE access_tokens SET valid_until_ms = $2 WHERE token = $1";
        self.connect().await?.execute(sql, &[&access_token, &valid_until_ms]).await?;
        Ok(())
    }

    /// Logs a token out.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn log_out(&self, access_token: &str) -> Result<()> {
        let sql = "DELETE FROM access_tokens WHERE token = $1";
        self.connect().await?.execute(sql, &[&access_token]).await?;
        Ok(())
    }

    /// Locks an account, or unlocks it.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn set_locked(&self, user_id: &str, locked: bool) -> Result<()> {
        let sql = "UPDATE users SET locked = $2 WHERE name = $1";
        self.connect().await?.execute(sql, &[&user_id, &locked]).await?;
        Ok(())
    }

    /// Ends an account's validity at a time, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// When the account has a time already.
    pub async fn expire_account(&self, user_id: &str, expiration_ts_ms: i64) -> Result<()> {
        let sql =
            "INSERT INTO account_validity (user_id, expiration_ts_ms, email_sent) VALUES ($1, $2, false)";
        self.connect().await?.execute(sql, &[&user_id, &expiration_ts_ms]).await?;
        Ok(())
    }
}
