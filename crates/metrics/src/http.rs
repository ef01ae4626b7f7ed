//! Requests and answers, under the names of Synapse's `synapse.http.request_metrics`.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use prometheus::{Error, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::{
    Work,
    family::{Registry, counters, gauges, histograms},
    work::{WorkCounters, WorkFamily},
};

/// Counts requests by method and servlet (Synapse's name for a group of endpoints).
pub struct HttpMetrics {
    received: IntCounterVec,
    in_flight: IntGaugeVec,
    in_flight_work: WorkFamily,
    responses: IntCounterVec,
    response_count: IntCounterVec,
    response_time: HistogramVec,
    response_work: WorkFamily,
    response_size: IntCounterVec,
    /// Looking up each series for itself would be half of what counting costs.
    kinds: RwLock<HashMap<(&'static str, &'static str), Arc<RequestKind>>>,
}

/// The counters of all requests that share method and servlet.
struct RequestKind {
    method: &'static str,
    servlet: &'static str,
    received: IntCounter,
    in_flight: IntGauge,
    in_flight_work: WorkCounters,
    response_count: IntCounter,
    response_work: WorkCounters,
    response_size: IntCounter,
    responses: IntCounterVec,
    response_time: HistogramVec,
}

/// One request, from its head to the last byte of its answer. It is in flight until this is dropped, also where it is never answered
/// because its client has left.
pub struct RequestMetrics {
    kind: Arc<RequestKind>,
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
            in_flight_work: WorkFamily::new(registry, &name("in_flight_requests"), "requests, counted while they are served; a restore's after each of its pages", SERVLET)?,
            responses: counters(registry, &name("responses_total"), "Answers by status.", &["method", "code"])?,
            response_count: counters(registry, &name("response_count_total"), "Answers sent.", TAGGED)?,
            response_time: histograms(registry, &name("response_time_seconds"), "Seconds from a request's head to its answer's last byte.", &["method", "servlet", "tag", "code"])?,
            response_work: WorkFamily::new(registry, &name("response"), "requests, counted when the answer has been sent", TAGGED)?,
            response_size: counters(registry, &name("response_size_total"), "Bytes of answers' bodies.", TAGGED)?,
            kinds: RwLock::default(),
        })
    }

    /// A request's head has arrived. The method has to be one of a few: each is a series for ever.
    pub fn received(&self, method: &'static str, servlet: &'static str) -> RequestMetrics {
        let known =
            self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(&(method, servlet)).cloned();
        let kind = known.unwrap_or_else(|| self.new_kind(method, servlet));
        kind.received.inc();
        kind.in_flight.inc();
        RequestMetrics { kind }
    }

    fn new_kind(&self, method: &'static str, servlet: &'static str) -> Arc<RequestKind> {
        let (labels, tagged) = (&[method, servlet], &[method, servlet, ""]);
        let kind = Arc::new(RequestKind {
            method,
            servlet,
            received: self.received.with_label_values(labels),
            in_flight: self.in_flight.with_label_values(labels),
            in_flight_work: self.in_flight_work.with(labels),
            response_count: self.response_count.with_label_values(tagged),
            response_work: self.response_work.with(tagged),
            response_size: self.response_size.with_label_values(tagged),
            responses: self.responses.clone(),
            response_time: self.response_time.clone(),
        });
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kinds.entry((method, servlet)).or_insert(kind))
    }
}

impl RequestMetrics {
    /// Work was done for the request.
    pub fn worked(&self, work: &Work) {
        self.kind.in_flight_work.add(work);
    }

    /// The last byte of the answer has been handed to the connection, or the client has left. `work` is all that was done; `bytes`
    /// are those of the body.
    pub fn served(&self, status: u16, time: Duration, work: &Work, bytes: u64) {
        let kind = &self.kind;
        let code = status.to_string();
        kind.responses.with_label_values(&[kind.method, &code]).inc();
        let labels = &[kind.method, kind.servlet, "", &code];
        kind.response_time.with_label_values(labels).observe(time.as_secs_f64());
        kind.response_count.inc();
        kind.response_work.add(work);
        kind.response_size.inc_by(bytes);
    }
}

impl Drop for RequestMetrics {
    fn drop(&mut self) {
        self.kind.in_flight.dec();
    }
}
