//! Workers under faults: no key is lost, and nobody is told what was not so.

mod crashes;
mod history;
mod uploads;
