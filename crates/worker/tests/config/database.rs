//! `database` and `databases`.

use std::time::Duration;

use key_backup_storage::DatabaseSettings;

use crate::support::{with, with_args};

fn database(keys: &str) -> DatabaseSettings {
    with(&format!("database: {{name: psycopg2, args: {{dbname: synapse}}{keys}}}")).config().database
}

#[test]
fn the_pool_has_twisteds_sizes_unless_the_args_say_otherwise() {
    for (args, expected) in [
        ("{dbname: a}", (3, 5)),
        ("{dbname: a, cp_min: 5, cp_max: 10}", (5, 10)),
        ("{dbname: a, cp_max: 20}", (3, 20)),
        ("{dbname: a, cp_max: 1}", (1, 1)),
        ("{dbname: a, cp_min: 0}", (0, 5)),
        ("{dbname: a, cp_reconnect: true, cp_noisy: false, cp_good_sql: SELECT 1}", (3, 5)),
    ] {
        let database = with_args(args).config().database;
        assert_eq!((database.min_connections, database.max_connections), expected, "{args}");
    }
}

#[test]
fn timeouts_have_synapses_defaults_and_null_is_none() {
    let millis = |text| {
        let database = database(text);
        let millis = |timeout: Option<Duration>| timeout.map(|timeout| timeout.as_millis());
        (millis(database.statement_timeout), millis(database.idle_in_transaction_session_timeout))
    };
    assert_eq!(millis(""), (Some(600_000), Some(1_800_000)));
    assert_eq!(millis(", statement_timeout: 5000"), (Some(5000), Some(1_800_000)));
    assert_eq!(millis(", statement_timeout: 0"), (Some(0), Some(1_800_000)));
    assert_eq!(millis(", statement_timeout: null, idle_in_transaction_session_timeout: ~"), (None, None));
}

#[test]
fn the_switches_have_synapses_defaults() {
    let defaults = database("");
    assert!(defaults.synchronous_commit && !defaults.allow_unsafe_locale);
    assert_eq!(defaults.txn_limit, 0);
    let set = database(", synchronous_commit: off, allow_unsafe_locale: yes, txn_limit: 10000");
    assert!(!set.synchronous_commit && set.allow_unsafe_locale);
    assert_eq!(set.txn_limit, 10_000);
}

#[test]
fn of_several_databases_the_one_with_the_main_store_is_read() {
    let text = "
database: null
databases:
  a_state: {name: psycopg2, data_stores: [state], args: {dbname: wrong}}
  z_main: {name: psycopg2, data_stores: [main], args: {dbname: right}}
";
    assert_eq!(with(text).config().database.connection.dbname, "right");
    let one = "{database: null, databases: {master: {name: psycopg2, args: {dbname: both}}}}";
    assert_eq!(with(one).config().database.connection.dbname, "both");
}
