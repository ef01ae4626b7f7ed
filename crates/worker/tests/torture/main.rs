//! Workers under faults: no key is lost, and nobody is told what was not so.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod crashes;
mod history;
mod uploads;
