//! Requests and answers, under the names of Synapse's `synapse.http.request_metrics`.

use std::time::Duration;

use prometheus::{CounterVec, Error, HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use crate::family::{counters, gauges, histograms, seconds};

/// What one served request took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Served {
    /// The HTTP status.
    pub status: u16,
    /// From the request's head to the answer's last byte.
    pub time: Duration,
    /// CPU time in user mode.
    pub cpu_user: Duration,
    /// CPU time in the kernel.
    pub cpu_system: Duration,
    /// Transactions on PostgreSQL.
    pub transactions: u64,
    /// Time in them.
    pub transaction_time: Duration,
    /// Time spent waiting for a connection.
    pub connection_wait: Duration,
    /// Bytes of the answer's body.
    pub bytes: u64,
}

/// Counts requests by method and servlet (Synapse's name for a group of endpoints).
pub struct HttpMetrics {
    received: IntCounterVec,
    in_flight: IntGaugeVec,
    responses: IntCounterVec,
    response_count: IntCounterVec,
    response_time: HistogramVec,
    cpu_user: CounterVec,
    cpu_system: CounterVec,
    transactions: IntCounterVec,
    transaction_time: CounterVec,
    connection_wait: CounterVec,
    size: IntCounterVec,
}

const SERVLET: &[&str] = &["method", "servlet"];
const TAGGED: &[&str] = &["method", "servlet", "tag"];

impl HttpMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let name = |suffix: &str| format!("synapse_http_server_{suffix}");
        Ok(Self {
            received: counters(registry, &name("requests_received_total"), "Requests whose head has arrived.", SERVLET)?,
            in_flight: gauges(registry, &name("in_flight_requests_count"), "Requests that are being served.", SERVLET)?,
            responses: counters(registry, &name("responses_total"), "Answers by status.", &["method", "code"])?,
            response_count: counters(registry, &name("response_count_total"), "Answers sent.", TAGGED)?,
            response_time: histograms(registry, &name("response_time_seconds"), "From a request's head to its answer's last byte.", &["method", "servlet", "tag", "code"])?,
            cpu_user: seconds(registry, &name("response_ru_utime_seconds_total"), "CPU time in user mode.", TAGGED)?,
            cpu_system: seconds(registry, &name("response_ru_stime_seconds_total"), "CPU time in the kernel.", TAGGED)?,
            transactions: counters(registry, &name("response_db_txn_count_total"), "Transactions on PostgreSQL.", TAGGED)?,
            transaction_time: seconds(registry, &name("response_db_txn_duration_seconds_total"), "Time in transactions.", TAGGED)?,
            connection_wait: seconds(registry, &name("response_db_sched_duration_seconds_total"), "Time spent waiting for a connection.", TAGGED)?,
            size: counters(registry, &name("response_size_total"), "Bytes of answers' bodies.", TAGGED)?,
        })
    }

    /// A request's head has arrived; [`Self::served`] has to follow.
    pub fn received(&self, method: &str, servlet: &str) {
        self.received.with_label_values(&[method, servlet]).inc();
        self.in_flight.with_label_values(&[method, servlet]).inc();
    }

    /// The last byte of a request's answer has been handed to the connection, or the client has left.
    pub fn served(&self, method: &str, servlet: &str, served: &Served) {
        let code = served.status.to_string();
        let tagged = &[method, servlet, ""];
        self.in_flight.with_label_values(&[method, servlet]).dec();
        self.responses.with_label_values(&[method, &code]).inc();
        self.response_count.with_label_values(tagged).inc();
        self.response_time
            .with_label_values(&[method, servlet, "", &code])
            .observe(served.time.as_secs_f64());
        self.cpu_user.with_label_values(tagged).inc_by(served.cpu_user.as_secs_f64());
        self.cpu_system.with_label_values(tagged).inc_by(served.cpu_system.as_secs_f64());
        self.transactions.with_label_values(tagged).inc_by(served.transactions);
        self.transaction_time.with_label_values(tagged).inc_by(served.transaction_time.as_secs_f64());
        self.connection_wait.with_label_values(tagged).inc_by(served.connection_wait.as_secs_f64());
        self.size.with_label_values(tagged).inc_by(served.bytes);
    }
}
