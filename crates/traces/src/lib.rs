//! Traces of requests for OpenTelemetry: off unless a collector is configured, and then nothing is measured and nothing kept.
//!
//! A request that is traced carries its span in OpenTelemetry's [`Context`], which goes with a future from poll to poll. Where there is
//! none, a part of a request costs one look at a thread-local.

mod export;
mod request;
mod span;

pub use export::{OtlpSettings, SetupError, Traces};
pub use opentelemetry::Context;
pub use request::{Received, RequestSpan};
pub use span::{current, in_span, transaction, within};
