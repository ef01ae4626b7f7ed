//! Every query of the dashboard and of the rules, asked of a real Prometheus that scrapes a worker under load.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use key_backup_testkit::{
    BreakableProxy, TestDatabase, Worker,
    http::Address,
    services::{Postgres, Prometheus, Redis, RedisAddress, ScrapeTarget},
    temporary_folder,
};
use regex_lite::Regex;
use tempfile::TempDir;

use crate::{
    dashboard::{Dashboard, Target, substituted},
    load::Load,
    rules::Rule,
};

/// How long the queries may take until all of them have an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long each fault lasts: long enough for some requests and two scrapes to meet it.
const PHASE: Duration = Duration::from_millis(2500);

/// Rules whose operands have no value under this load, and why.
const WITHOUT_OPERANDS: [(&str, &str); 2] = [
    ("KeyBackupRateLimiting", "nobody asks so often here"),
    ("KeyBackupSplitTraffic", "no process of Synapse's runs here"),
];

/// A worker with ways to PostgreSQL and Redis that can be cut, and Prometheus. Ended in the order of the fields.
struct Setup {
    prometheus: Prometheus,
    worker: Worker,
    to_postgres: Option<BreakableProxy>,
    to_redis: Option<BreakableProxy>,
    _redis: Redis,
    database: TestDatabase,
    _folder: TempDir,
}

impl Setup {
    async fn start() -> Result<Self> {
        let folder = temporary_folder()?;
        let redis = Redis::start(&folder.path().join("redis")).await?;
        let to_redis = BreakableProxy::start(([127, 0, 0, 1], redis.address().port).into()).await?;
        let database = TestDatabase::create().await?;
        let postgres = Postgres::from_env()?.port;
        let to_postgres = BreakableProxy::start(([127, 0, 0, 1], postgres).into()).await?;
        let through = database
            .database_yaml()
            .replace(&postgres.to_string(), &to_postgres.address().port().to_string());
        let worker = Worker::configure(Path::new(env!("CARGO_BIN_EXE_key-backup-worker")))
            .database(&database)
            .yaml(&through)
            .yaml(&RedisAddress { port: to_redis.address().port() }.redis_yaml())
            .metrics()
            .start()
            .await?;
        let Address::Tcp(address) = worker.address() else {
            unreachable!("it was not asked for a Unix socket")
        };
        let target = ScrapeTarget { address: &address.to_string(), job: "key_backup", index: "1" };
        let prometheus =
            Prometheus::start(&folder.path().join("prometheus"), &[target], &Rule::file()).await?;
        let (to_postgres, to_redis) = (Some(to_postgres), Some(to_redis));
        Ok(Self { prometheus, worker, to_postgres, to_redis, _redis: redis, database, _folder: folder })
    }

    /// Requests for ever; whatever they are answered with.
    async fn load(&self) -> Result<()> {
        let alice = self.database.add_user("alice").await?;
        let load = Load::begin(self.worker.client().as_user(&alice.access_token)).await?;
        for round in 0.. {
            load.round(round).await.ok();
            load.restore().await.ok();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

/// PostgreSQL and Redis go away for a moment each, and then a table, while requests come in.
async fn faults(
    to_postgres: &mut BreakableProxy,
    to_redis: &mut BreakableProxy,
    database: &TestDatabase,
) -> Result<()> {
    for proxy in [to_postgres, to_redis] {
        tokio::time::sleep(PHASE).await;
        proxy.cut().await;
        tokio::time::sleep(PHASE).await;
        proxy.heal().await?;
    }
    let sql = database.connect().await?;
    sql.batch_execute("ALTER TABLE e2e_room_keys RENAME TO away").await?;
    tokio::time::sleep(PHASE).await;
    sql.batch_execute("ALTER TABLE away RENAME TO e2e_room_keys").await?;
    Ok(())
}

/// A query, and where it stands.
struct Query {
    place: String,
    text: String,
    may_be_empty: bool,
}

/// All queries that Grafana and Prometheus send because of the files in `deploy`.
fn queries() -> Vec<Query> {
    let dashboard = Dashboard::read();
    let mut queries = Vec::new();
    for panel in dashboard.shown() {
        let of_panel = |target: &Target| Query {
            place: format!("panel {} {}", panel.title, target.ref_id),
            text: substituted(&target.expr),
            may_be_empty: panel.may_be_empty(),
        };
        queries.extend(panel.targets.iter().map(of_panel));
    }
    for annotation in &dashboard.annotations.list {
        let text = substituted(annotation["expr"].as_str().unwrap());
        queries.push(Query { place: format!("annotation {}", annotation["name"]), text, may_be_empty: true });
    }
    queries.extend(["server_name", "job", "index"].map(|name| variable(&dashboard, name)));
    queries.extend(Rule::read().iter().flat_map(of_rule));
    queries
}

/// Grafana asks for the values of a label; there have to be series for it.
fn variable(dashboard: &Dashboard, name: &str) -> Query {
    let query = dashboard.variable(name)["query"]["query"].as_str().unwrap();
    let series = query.strip_prefix("label_values(").unwrap().rsplit_once(',').unwrap().0;
    Query { place: format!("variable {name}"), text: substituted(series), may_be_empty: false }
}

/// An alert is silent as long as all is well: what it compares has to be there.
fn of_rule(rule: &Rule) -> [Query; 2] {
    let comparison = Regex::new(r" (==|>|<) [0-9.]+").unwrap();
    let operands = comparison.replace_all(&rule.expr, "").into_owned();
    let has_none = WITHOUT_OPERANDS.iter().any(|(alert, _)| *alert == rule.alert);
    let query = |text, may_be_empty| Query { place: format!("alert {}", rule.alert), text, may_be_empty };
    [query(rule.expr.clone(), true), query(operands, has_none)]
}

/// Asks until every query that has to has an answer. One that is not accepted fails at once.
async fn ask(prometheus: &Prometheus, mut queries: Vec<Query>) -> Result<()> {
    let start = Instant::now();
    loop {
        let mut unanswered = Vec::new();
        for query in queries {
            if prometheus.query(&query.text).await?.is_empty() && !query.may_be_empty {
                unanswered.push(query);
            }
        }
        let places: Vec<String> =
            unanswered.iter().map(|query| format!("{}: {}", query.place, query.text)).collect();
        if places.is_empty() {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "no data for {places:#?}");
        queries = unanswered;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn every_query_of_the_dashboard_and_the_alerts_has_an_answer() {
    let mut setup = Setup::start().await.unwrap();
    let mut to_redis = setup.to_redis.take().unwrap();
    let mut to_postgres = setup.to_postgres.take().unwrap();
    let asked = async {
        faults(&mut to_postgres, &mut to_redis, &setup.database).await?;
        ask(&setup.prometheus, queries()).await
    };
    tokio::select! {
        asked = asked => asked.unwrap(),
        load = setup.load() => panic!("the load has ended: {load:?}"),
    }
}
