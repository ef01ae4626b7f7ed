//! Hears Synapse: over Redis, and in the table where it writes every invalidation down.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use key_backup_api::{Owner, Synapse};
use key_backup_cache::{
    CACHE_FUNCTIONS, Counts, Invalidation, Listener, Redis, SharedCounts, Tokens, UserIps, Witness,
};
use key_backup_metrics::{BackgroundProcess, Metrics};
use key_backup_storage::{Database, Databases, InvalidationRow, Invalidations, StorageError, measured};
use tokio::time::sleep;

use crate::config::Config;

/// How often the table is read.
const INTERVAL: Duration = Duration::from_millis(300);

/// How long a row may be committed after one that follows it in the stream.
const OVERLAP: Duration = Duration::from_secs(10);

/// Begins to listen, and to tell Synapse who was seen.
pub(crate) fn start(
    config: &Config,
    redis: Redis,
    common: &Arc<SharedCounts>,
    databases: &Databases,
    metrics: &Arc<Metrics>,
) -> Synapse {
    let tokens = Arc::new(Tokens::new(Arc::clone(metrics)));
    let user_ips = UserIps::start(&redis, &config.server_name, Arc::clone(metrics));
    let counts = Counts::of_this_thread(Arc::clone(common));
    let watch_counts = Counts::of_this_thread(Arc::clone(common));
    let listener =
        Listener::new(redis, &config.server_name, Arc::clone(&tokens), counts, Arc::clone(metrics));
    actix_web::rt::spawn(listener.run());
    if let Some(database) = databases.for_checks() {
        let process = metrics.background.process("watch-invalidations");
        actix_web::rt::spawn(watch(database, Arc::clone(&tokens), watch_counts, process));
    } else {
        tracing::warn!(
            "every token is asked of PostgreSQL: cp_max leaves no connection to watch for logouts"
        );
    }
    Synapse {
        tokens,
        user_ips,
        track_puppeted_user_ips: config.last_seen.puppeted_users,
        track_appservice_user_ips: config.last_seen.appservice_users,
    }
}

/// Reads the table for ever. A row is committed with what it tells of, so that a logout is seen here even if Synapse cannot reach Redis.
async fn watch(database: Database, tokens: Arc<Tokens<Owner>>, counts: Counts, process: BackgroundProcess) {
    let mut window = None;
    loop {
        let started = Instant::now();
        let reading = Box::pin(measured(read(&database, &mut window, &tokens, &counts)));
        let (outcome, usage) = process.run(reading).await;
        process.worked(&usage.into());
        match outcome {
            Ok(()) => tokens.vouch(Witness::Table, started),
            Err(error) => {
                tokens.doubt(Witness::Table);
                tracing::debug!("cannot read Synapse's invalidations: {:#}", anyhow::Error::from(error));
            }
        }
        sleep(INTERVAL).await;
    }
}

/// The part of the stream in which rows may still appear.
struct Window {
    /// Where the stream ended, and when that was.
    ends: VecDeque<(Instant, i64)>,
    seen: HashSet<i64>,
}

async fn read(
    database: &Database,
    window: &mut Option<Window>,
    tokens: &Tokens<Owner>,
    counts: &Counts,
) -> Result<(), StorageError> {
    let Some(window) = window else {
        let end = database.end_of_invalidations().await?;
        *window = Some(Window { ends: VecDeque::from([(Instant::now(), end)]), seen: HashSet::new() });
        return Ok(());
    };
    let start = window.start();
    let invalidations = database.invalidations_since(start, &CACHE_FUNCTIONS).await?;
    for row in invalidations.rows.iter().filter(|row| !window.seen.contains(&row.stream_id)) {
        if let Some(invalidation) = invalidation(row) {
            tokens.invalidate(&invalidation);
            counts.invalidate(&invalidation).await;
        }
    }
    window.move_on(start, &invalidations);
    Ok(())
}

fn invalidation(row: &InvalidationRow) -> Option<Invalidation> {
    let keys = row.keys.as_ref().map(|keys| keys.iter().map(Option::as_deref));
    Invalidation::of_row(&row.cache_func, keys)
}

impl Window {
    /// Up to here nothing can appear any more.
    fn start(&mut self) -> i64 {
        while self.ends.get(1).is_some_and(|(when, _)| when.elapsed() > OVERLAP) {
            self.ends.pop_front();
        }
        self.ends.front().map_or(0, |(_, end)| *end)
    }

    fn move_on(&mut self, start: i64, invalidations: &Invalidations) {
        self.seen.retain(|stream_id| *stream_id > start);
        self.seen.extend(invalidations.rows.iter().map(|row| row.stream_id));
        if let Some(end) = invalidations.end {
            self.ends.push_back((Instant::now(), end));
        }
    }
}
