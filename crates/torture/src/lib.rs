//! Workers under faults, and a check in the spirit of Jepsen that nobody was told what was not so.
//!
//! A [`Plan`] runs several workers on one PostgreSQL and one Redis. Clients of a few users ask them for everything that the protocol
//! has, while workers are killed, servers are stopped, crashed and frozen, and networks are cut, stalled and slowed down. Each [call](call::Call) is
//! written down with its times and its answer. Then [`check`] looks for *one history* of each user: is there an order of the calls in which
//! each takes effect at one moment between its beginning and its end, and in which the plain model [`Backup`] answers just as the
//! workers did? That is linearizability, as Herlihy and Wing define it.
//!
//! # The model
//!
//! A user's backup is: the highest version there ever was, and for each version that is not deleted its `auth_data`, its etag and the best key
//! of each session. [`Backup::apply`] says what each operation does to it and answers. In particular:
//!
//! - A new version has the next number and etag 0. The highest one that is not deleted is the current one.
//! - An upload to the current version takes those keys that are new or better: verified before unverified, then the lower
//!   `first_message_index`, then the lower `forwarded_count`. If there are any, the etag is raised by one. It is answered with etag and
//!   count after it. An upload to another version changes nothing and is answered with 403 or 404.
//! - A deletion of keys from any version always raises its etag by one.
//!
//! # Uploads that take effect together
//!
//! A worker may merge uploads of one user that wait at the same moment into one statement. So the model has one step more: any set of
//! uploads to the current version may take effect at one moment. That moment lies between the beginning and the end of each of them; all their
//! keys are merged; the etag is raised by one if any of them brought a key that is new or better; and each is answered with etag
//! and count after all of them. An upload on its own is such a set of one. Nothing else can happen inside a set, and nobody can see a part of it.
//!
//! # Calls without an answer
//!
//! A call that was never answered, or with 503, may have taken effect at any moment after its beginning, or never. If it is an
//! upload it may have been part of a set. A connection that was refused has not asked for anything, and 429 says that nothing happened; such
//! calls are left out.
//!
//! Were these calls open for ever, nothing could be said about a long run. So a run has rounds of a few seconds. At the end of each everything
//! is mended, the workers' connections to PostgreSQL are cut, and PostgreSQL is given time to end what has reached it. From then on,
//! nothing that was asked for before can happen any more. The checker looks into the database itself, which is the round's last
//! call and the next round's beginning, so that each round can be checked for itself.
//!
//! # The search
//!
//! Wing and Gong's: of all calls that may come next (those that began before any other that is left had ended) take one that
//! the model answers as the worker did, and go on; where none is left, go back. With Lowe's improvement: a position, which is the set of
//! calls taken and the state of the model, is looked at once. Etags keep the tree narrow, as every change is answered with a number of its own; and
//! what the rest of the answers tells of versions and keys shows early that a position leads nowhere.
//! A history for which no order is found among 300,000 positions counts as impossible, and the message says so.

pub mod call;
mod client;
mod deployment;
mod display;
mod fault;
pub mod history;
mod intent;
mod model;
mod observe;
mod run;
mod search;
mod summary;
mod wire;

pub use model::{Backup, Contents};
pub use run::Plan;
pub use search::{Explanation, Verdict, check};
pub use summary::Summary;
