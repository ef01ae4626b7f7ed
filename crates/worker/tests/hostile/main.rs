//! Requests of people who mean harm, sent to the real worker. Whatever they send: no 5xx, no crash, no memory without bounds, and
//! no answer to a request that somebody has hidden in another.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bodies;
mod framing;
mod heads;
mod memory;
mod queries;
mod support;
