//! Access tokens that were looked up before.
//!
//! A remembered token is used only while the worker is sure to hear of its end, and two witnesses have to say so: the
//! subscription to Synapse's replication over Redis, and the table in which Synapse writes every invalidation down. Each vouches for a
//! moment, from which it is believed for [`LEASE`]. So a Redis that hangs, or that Synapse cannot reach, ends the trust within a second of the last
//! moment at which nothing could have been missed, and with it everything that was remembered.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use key_backup_metrics::{self as metrics, Eviction, Metrics};
use key_backup_model::UserId;
use sha2::{Digest, Sha256};

use crate::Invalidation;

/// How long a witness is believed after the moment that it has vouched for. A logout is noticed at the latest so much later.
const LEASE: Duration = Duration::from_millis(800);

/// How many tokens are remembered; beyond it the oldest goes.
const CAPACITY: usize = 100_000;

/// How long a token is remembered though nobody says anything against it: the bound on a change that Synapse doesn't tell of.
const LIFETIME: Duration = Duration::from_mins(5);

/// Tokens are kept as their hashes, so that no memory dump shows them.
type Hash = [u8; 32];

/// Who has to vouch that nothing was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The subscription to Synapse's replication.
    Subscription,
    /// The table `cache_invalidation_stream_by_instance`.
    Table,
}

/// The tokens that were looked up before, with what was found; bounded, shared by all threads.
pub struct Tokens<V> {
    state: Mutex<State<V>>,
    metrics: Arc<Metrics>,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUp<V> {
    /// What was found before.
    Hit(V),
    /// It has to be looked up; with the ticket the result may be remembered.
    Miss(Ticket),
}

/// A moment before a look-up: what is invalidated after it must not be remembered from that look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

struct State<V> {
    entries: HashMap<Hash, Entry<V>>,
    by_user: HashMap<UserId, HashSet<Hash>>,
    oldest_first: VecDeque<(Hash, Instant)>,
    /// Grows with every invalidation and every loss of trust.
    changes: u64,
    believed_until: [Option<Instant>; 2],
}

struct Entry<V> {
    value: V,
    users: Vec<UserId>,
    inserted: Instant,
}

impl<V: Clone> Tokens<V> {
    /// Nothing is remembered until both witnesses have vouched.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let state = State {
            entries: HashMap::new(),
            by_user: HashMap::new(),
            oldest_first: VecDeque::new(),
            changes: 0,
            believed_until: [None; 2],
        };
        metrics.cache.tokens_limit(CAPACITY);
        Self { state: Mutex::new(state), metrics }
    }

    /// What is known of a token.
    pub fn get(&self, token: &str) -> LookUp<V> {
        let hash = hash(token);
        let mut state = self.state();
        let now = Instant::now();
        let (result, look_up) = if state.is_trusted(now) {
            match state.entries.get(&hash).filter(|entry| now < entry.inserted + LIFETIME) {
                Some(entry) => (metrics::LookUp::Hit, LookUp::Hit(entry.value.clone())),
                None => (metrics::LookUp::Miss, LookUp::Miss(Ticket(state.changes))),
            }
        } else {
            state.clear();
            (metrics::LookUp::Unavailable, LookUp::Miss(Ticket(state.changes)))
        };
        self.metrics.cache.token_looked_up(result);
        look_up
    }

    /// Remembers what a look-up has found for a token of these users, unless something was invalidated since its ticket.
    pub fn insert(&self, ticket: Ticket, token: &str, users: Vec<UserId>, value: V) {
        let hash = hash(token);
        let mut state = self.state();
        let now = Instant::now();
        if ticket.0 != state.changes || !state.is_trusted(now) {
            return;
        }
        state.forget(&hash);
        for user in &users {
            state.by_user.entry(user.clone()).or_default().insert(hash);
        }
        state.entries.insert(hash, Entry { value, users, inserted: now });
        state.oldest_first.push_back((hash, now));
        let before = state.entries.len();
        state.shrink(now);
        let reason = if before > CAPACITY { Eviction::Size } else { Eviction::Time };
        self.metrics.cache.tokens_forgotten(reason, before - state.entries.len());
        self.observe(&state);
    }

    /// Forgets what may have changed.
    pub fn invalidate(&self, invalidation: &Invalidation) {
        let mut state = self.state();
        let before = state.entries.len();
        match invalidation {
            Invalidation::RoomDeleted => return,
            Invalidation::Token(token) => state.forget(&hash(token)),
            Invalidation::User(user) | Invalidation::Account(user) => state.forget_user(user),
            Invalidation::Everything => state.clear(),
        }
        state.changes += 1;
        let forgotten = before - state.entries.len();
        self.metrics.cache.tokens_forgotten(Eviction::Invalidation, forgotten);
        self.observe(&state);
    }

    /// The witness has missed nothing up to `moment`. If it was not believed any more, everything is forgotten first.
    pub fn vouch(&self, witness: Witness, moment: Instant) {
        let mut state = self.state();
        if !state.is_trusted(Instant::now()) {
            state.clear();
        }
        state.believed_until[witness as usize] = Some(moment + LEASE);
        match witness {
            Witness::Subscription => self.metrics.replication.subscription_vouched.touch(),
            Witness::Table => self.metrics.replication.table_vouched.touch(),
        }
        self.observe(&state);
    }

    /// The witness may have missed something: everything is forgotten, and it is not believed until it vouches again.
    pub fn doubt(&self, witness: Witness) {
        let mut state = self.state();
        state.believed_until[witness as usize] = None;
        state.clear();
        self.observe(&state);
    }

    fn observe(&self, state: &State<V>) {
        self.metrics.cache.tokens_remembered(state.entries.len());
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        // Nothing in here panics half-way; if it did, forgetting an entry too few would be the worst.
        self.state.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            let mut state = poisoned.into_inner();
            state.clear();
            state
        })
    }
}

impl<V> State<V> {
    fn is_trusted(&self, now: Instant) -> bool {
        self.believed_until.iter().all(|until| until.is_some_and(|until| now < until))
    }

    fn forget(&mut self, hash: &Hash) {
        let Some(entry) = self.entries.remove(hash) else { return };
        for user in entry.users {
            if let Some(hashes) = self.by_user.get_mut(&user) {
                hashes.remove(hash);
                if hashes.is_empty() {
                    self.by_user.remove(&user);
                }
            }
        }
    }

    fn forget_user(&mut self, user: &UserId) {
        for hash in self.by_user.get(user).cloned().unwrap_or_default() {
            self.forget(&hash);
        }
    }

    fn clear(&mut self) {
        self.changes += 1;
        self.entries.clear();
        self.by_user.clear();
        self.oldest_first.clear();
    }

    /// Drops what is too old and the oldest beyond the capacity, and notes of entries that are gone already.
    fn shrink(&mut self, now: Instant) {
        while let Some((hash, inserted)) = self.oldest_first.front().copied() {
            let is_current = self.entries.get(&hash).is_some_and(|entry| entry.inserted == inserted);
            if is_current && self.entries.len() <= CAPACITY && now < inserted + LIFETIME {
                break;
            }
            self.oldest_first.pop_front();
            if is_current {
                self.forget(&hash);
            }
        }
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests;
