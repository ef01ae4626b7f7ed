//! What the worker remembers between requests, and what it hears from Synapse over Redis.

mod settings;

pub use settings::{RedisAddress, RedisSettings, RedisTls};
