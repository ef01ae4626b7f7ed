//! Synapse's replication over Redis: what is heard, and the one thing that is said.

mod line;
mod listener;
mod user_ip;

pub use line::Line;
pub use listener::Listener;
pub use user_ip::{Seen, UserIps};
