//! What a part of a request costs: CPU time and work of PostgreSQL together.

use std::{
    future::Future,
    pin::{Pin, pin},
    time::Instant,
};

use actix_web::{error::BlockingError, web};
use key_backup_metrics::{Block, CpuTime, Work, metered, timed};
use key_backup_storage::{measured, used_so_far};
use key_backup_traces::in_span;

/// Runs `future` and says what it has cost.
pub(crate) async fn weighed<F: Future>(future: F) -> (F::Output, Work) {
    // Futures that hold futures grow with each layer; a pinned one does not.
    let future = pin!(future);
    let ((output, database), cpu) = metered(measured(future)).await;
    (output, Work { cpu, ..database.into() })
}

/// Runs `future` as a part of a request that is measured for itself, and has a span of its own in a trace. It is pinned
/// already: in an `async fn` it would take its place twice.
pub(crate) async fn in_block<F: Future>(block: &Block, future: Pin<&mut F>) -> F::Output {
    let (begun, started, before) = (block.begin(), Instant::now(), used_so_far());
    let (output, cpu) = metered(in_span(block.name(), future)).await;
    begun.done(started.elapsed(), &Work { cpu, ..used_so_far().since(before).into() });
    output
}

/// Does `work` on a thread that is there for work that takes its time, and says what CPU time it took.
///
/// # Errors
///
/// The runtime ends.
pub(crate) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, CpuTime), BlockingError> {
    web::block(move || timed(work)).await
}
