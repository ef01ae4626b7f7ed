//! Real PostgreSQL, Redis, Synapse and workers for tests.
