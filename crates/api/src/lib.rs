//! The Matrix key backup API over HTTP, as Synapse serves it.
//!
//! A request goes one way: `service` finds its route, lets the handler of that route answer, gives every answer the
//! headers that clients rely on, and writes it to the request log. A handler authenticates, reads what it needs, asks the
//! storage, and answers; everything that is not an answer is an [`ApiError`], which knows its status and Matrix error code.

mod access_log;
mod auth;
mod client;
mod connection;
mod counted;
mod error;
mod extract;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handlers;
mod json;
mod limits;
mod readiness;
mod record;
mod reply;
mod restore;
mod routes;
mod service;
mod state;
mod trace;
mod uploads;
mod work;

pub use auth::{
    AppService, AppServices, AuthSettings, GuestTokens, IntrospectionError, Mas, MasError, MasSettings,
    MasSetupError, Owner,
};
pub use connection::{BoundTo, Connection};
pub use error::ApiError;
pub use limits::{LimitSettings, Limits, Pace, Rate};
pub use readiness::Readiness;
pub use service::configure;
pub use state::{ApiSettings, AppState, Instance, ListenerContext, Listeners, Serves, Synapse};
