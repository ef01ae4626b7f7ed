//! Measures how late the HTTP threads come to what is due.

use std::{sync::Arc, time::Duration};

use key_backup_metrics::Metrics;
use tokio::time::{Instant, sleep_until};

/// How often each thread is measured.
const INTERVAL: Duration = Duration::from_millis(250);

/// Begins to measure the calling thread.
pub(crate) fn measure_this_thread(metrics: &Arc<Metrics>) {
    metrics.threads.http_threads.inc();
    actix_web::rt::spawn(measure(Arc::clone(metrics)));
}

async fn measure(metrics: Arc<Metrics>) {
    loop {
        let due = Instant::now() + INTERVAL;
        sleep_until(due).await;
        metrics.threads.delayed(due.elapsed());
    }
}
