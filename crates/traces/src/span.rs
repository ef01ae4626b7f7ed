//! Parts of a request that is traced.

use std::{
    future::Future,
    pin::pin,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, Span, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;

/// Goes with the span of a request, so that its parts need not be handed one.
pub(crate) struct OfRequest(pub(crate) SdkTracer);

/// What the code that runs is a part of; `None` where that is not traced.
pub fn current() -> Option<Context> {
    Context::map_current(|context| context.has_active_span().then(|| context.clone()))
}

/// Runs `future` as a part of something. Tasks that are spawned for a request need it: they know nothing of who spawned them.
pub async fn within<F: Future>(context: Option<Context>, future: F) -> F::Output {
    let future = pin!(future);
    match context {
        Some(context) => future.with_context(context).await,
        None => future.await,
    }
}

/// Runs `future` as a part of the request with a span of its own.
pub async fn in_span<F: Future>(name: &'static str, future: F) -> F::Output {
    // Futures that hold futures grow with each layer; a pinned one does not.
    let future = pin!(future);
    let context = current().and_then(|parent| {
        let span = begin(&parent, SpanBuilder::from_name(name).with_kind(SpanKind::Internal))?;
        Some(parent.with_span(span))
    });
    let output = within(context.clone(), future).await;
    if let Some(context) = context {
        context.span().end();
    }
    output
}

/// A transaction of PostgreSQL, named `desc`, has just ended after `time`; `verb` is what its main statement does.
pub fn transaction(desc: &'static str, verb: &'static str, time: Duration, well: bool) {
    let Some(parent) = current() else { return };
    let ended = SystemTime::now();
    let builder = SpanBuilder::from_name(desc)
        .with_kind(SpanKind::Client)
        .with_start_time(ended.checked_sub(time).unwrap_or(ended))
        .with_attributes([
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.operation.name", verb),
        ]);
    let Some(mut span) = begin(&parent, builder) else { return };
    if !well {
        // What PostgreSQL says may hold what clients have sent.
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(ended);
}

fn begin(parent: &Context, builder: SpanBuilder) -> Option<impl Span + Send + Sync + use<>> {
    let OfRequest(tracer) = parent.get()?;
    Some(tracer.build_with_context(builder, parent))
}
