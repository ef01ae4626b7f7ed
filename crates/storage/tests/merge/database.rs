//! A database with Synapse's tables, and the storage on it.

use std::{net::Ipv4Addr, num::NonZeroUsize, sync::Arc};

use key_backup_metrics::Metrics;
use key_backup_model::{BackupVersion, JsonText, KeyCount, UploadRow, UserId};
use key_backup_storage::{
    ChannelBinding, ConnectionSettings, Database, DatabaseSettings, Databases, Host, PutOutcome,
    RootCertificates, SslMode, StorageError, TargetSessionAttrs, TlsSettings, TlsVersion, Upload,
};
use key_backup_testkit::TestDatabase;

use crate::Held;

pub(crate) struct Fixture {
    pub(crate) database: Database,
    _tables: TestDatabase,
    client: tokio_postgres::Client,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let tables = TestDatabase::create().await.unwrap();
        let metrics = Arc::new(Metrics::new("example.com").unwrap());
        let databases = Databases::new(&settings(&tables), NonZeroUsize::MIN, metrics).unwrap();
        let client = tables.connect().await.unwrap();
        Self { database: databases.of_this_thread(), _tables: tables, client }
    }

    /// A first version of this user's that holds these rows already.
    pub(crate) async fn version_with(&self, user: &UserId, rows: &Held) -> BackupVersion {
        let version = self.database.create_version(user, "a", &JsonText::new("{}").unwrap()).await.unwrap();
        let sql = "INSERT INTO e2e_room_keys (user_id, version, room_id, session_id, is_verified, first_message_index,
                     forwarded_count, session_data) VALUES ($1, $2, $3, $4, $5, $6, $7, 'null')";
        for ((room, session), (verified, index, count)) in rows {
            let number = version.to_column();
            self.client
                .execute(sql, &[&user.as_str(), &number, room, session, verified, index, count])
                .await
                .unwrap();
        }
        version
    }

    /// An upload, and what became of it.
    pub(crate) async fn put(
        &self,
        user: &UserId,
        version: BackupVersion,
        rows: Vec<UploadRow>,
        known: Option<KeyCount>,
    ) -> Result<PutOutcome, StorageError> {
        self.database.put_keys(Upload { user: user.clone(), version, rows, known }).await
    }

    /// In how many transactions all keys that are there were written.
    pub(crate) async fn transactions(&self) -> i64 {
        let sql = "SELECT count(DISTINCT xmin::text) FROM e2e_room_keys";
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// What a version holds; the `session_data` of uploaded keys fits their columns.
    pub(crate) async fn stored(&self, user: &UserId, version: BackupVersion) -> Held {
        let sql =
            "SELECT room_id, session_id, is_verified, first_message_index, forwarded_count, session_data
                     FROM e2e_room_keys WHERE user_id = $1 AND version = $2";
        let rows = self.client.query(sql, &[&user.as_str(), &version.to_column()]).await.unwrap();
        let to_key = |row: &tokio_postgres::Row| {
            let key: (bool, Option<i32>, Option<i32>) = (row.get(2), row.get(3), row.get(4));
            let data: &str = row.get(5);
            if let (verified, Some(index), Some(count)) = key {
                assert!(["null", &format!("[{verified}, {index}, {count}]")].contains(&data), "{data}");
            }
            ((row.get(0), row.get(1)), key)
        };
        rows.iter().map(to_key).collect()
    }
}

fn settings(database: &TestDatabase) -> DatabaseSettings {
    let server = database.server();
    let connection = ConnectionSettings {
        hosts: vec![Host::Tcp { name: Ipv4Addr::LOCALHOST.to_string(), address: None, port: server.port }],
        user: "postgres".to_owned(),
        password: None,
        dbname: database.name().to_owned(),
        application_name: "merge test".to_owned(),
        options: None,
        connect_timeout: None,
        target_session_attrs: TargetSessionAttrs::Any,
        load_balance_hosts: false,
        keepalives: None,
        tcp_user_timeout: None,
        channel_binding: ChannelBinding::Prefer,
        tls: TlsSettings {
            mode: SslMode::Disable,
            roots: RootCertificates::None,
            client_certificate: None,
            direct: false,
            server_name_indication: true,
            minimum_version: TlsVersion::Tls12,
            maximum_version: TlsVersion::Tls13,
        },
    };
    DatabaseSettings {
        connection,
        min_connections: 1,
        max_connections: 1,
        statement_timeout: None,
        idle_in_transaction_session_timeout: None,
        synchronous_commit: true,
        allow_unsafe_locale: false,
        txn_limit: 0,
    }
}
