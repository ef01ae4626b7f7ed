//! What the worker remembers between requests, and what it hears from and says to Synapse over Redis.
//!
//! PostgreSQL is the truth; everything here only saves asking it. A [count](Counts) is used only with the etag that PostgreSQL
//! has just returned, a [token](Tokens) only while the worker can be sure to hear of its end. Whatever Redis does, no method
//! here fails, and none takes longer than a few dozen milliseconds.

mod counts;
mod diagnose;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod invalidation;
mod redis;
mod replication;
mod settings;
mod tokens;

pub use counts::{Counts, Known, SharedCounts};
pub use diagnose::{RedisFault, Replication};
pub use invalidation::{CACHE_FUNCTIONS, Invalidation};
pub use redis::{Redis, RedisSetupError};
pub use replication::{Line, Listener, Seen, UserIps};
pub use settings::{RedisAddress, RedisSettings, RedisTls};
pub use tokens::{LookUp, Ticket, Tokens, Witness};
