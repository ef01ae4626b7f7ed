//! Shorthand for registering a metric: name, help text, labels. Each leaves its description for `docs/metrics.md`.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use prometheus::{
    CounterVec, Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, core::Collector, proto::MetricFamily,
};

use crate::TimestampGauge;

/// The buckets of Python's `prometheus_client`, in seconds: Synapse's histograms have them unless said otherwise.
pub(crate) const SYNAPSE_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// For what takes less than a millisecond when all is well, in seconds.
pub(crate) const SHORT_BUCKETS: &[f64] =
    &[0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.5, 1.0, 5.0];

/// For numbers of things.
pub(crate) const NUMBER_BUCKETS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];

/// A metric, as it is described to operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name; of a histogram that without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels besides `server_name`.
    pub labels: Vec<String>,
    /// What it counts or measures, and in which unit.
    pub help: String,
}

/// Metrics that share the label `server_name`, or have none.
pub(crate) struct Registry {
    registry: prometheus::Registry,
    descriptions: Mutex<Vec<Description>>,
}

impl Registry {
    pub(crate) fn new(server_name: Option<&str>) -> Result<Self, Error> {
        let label = server_name.map(|name| HashMap::from([("server_name".to_owned(), name.to_owned())]));
        let registry = prometheus::Registry::new_custom(None, label)?;
        Ok(Self { registry, descriptions: Mutex::default() })
    }

    /// Every metric that was registered here, in that order.
    pub(crate) fn descriptions(&self) -> Vec<Description> {
        self.descriptions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The values of all metrics that have any.
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    fn add<C: Collector + Clone + 'static>(&self, kind: &'static str, collector: C) -> Result<C, Error> {
        let described = collector.desc().into_iter().map(|desc| Description {
            name: desc.fq_name.clone(),
            kind,
            labels: desc.variable_labels.clone(),
            help: desc.help.clone(),
        });
        self.descriptions.lock().unwrap_or_else(PoisonError::into_inner).extend(described);
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    /// Registers a collector whose metrics others have described.
    pub(crate) fn add_described(
        &self,
        collector: impl Collector + 'static,
        descriptions: impl IntoIterator<Item = Description>,
    ) -> Result<(), Error> {
        self.descriptions.lock().unwrap_or_else(PoisonError::into_inner).extend(descriptions);
        self.registry.register(Box::new(collector))
    }
}

pub(crate) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, Error> {
    registry.add("counter", IntCounterVec::new(Opts::new(name, help), labels)?)
}

pub(crate) fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, Error> {
    registry.add("counter", IntCounter::with_opts(Opts::new(name, help))?)
}

/// Counters of seconds.
pub(crate) fn seconds(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<CounterVec, Error> {
    registry.add("counter", CounterVec::new(Opts::new(name, help), labels)?)
}

pub(crate) fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, Error> {
    registry.add("gauge", IntGauge::with_opts(Opts::new(name, help))?)
}

pub(crate) fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, Error> {
    registry.add("gauge", IntGaugeVec::new(Opts::new(name, help), labels)?)
}

/// A gauge of seconds since 1970, 0 until it is touched.
pub(crate) fn timestamp(registry: &Registry, name: &str, help: &str) -> Result<TimestampGauge, Error> {
    Ok(TimestampGauge::new(gauges(registry, name, help, &[])?.with_label_values::<&str>(&[])))
}

/// A histogram with Synapse's buckets.
pub(crate) fn histogram(registry: &Registry, name: &str, help: &str) -> Result<Histogram, Error> {
    histogram_of(registry, name, help, SYNAPSE_BUCKETS)
}

pub(crate) fn histogram_of(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
) -> Result<Histogram, Error> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registry.add("histogram", Histogram::with_opts(options)?)
}

/// Histograms with Synapse's buckets.
pub(crate) fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<HistogramVec, Error> {
    histograms_of(registry, name, help, labels, SYNAPSE_BUCKETS)
}

pub(crate) fn histograms_of(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> Result<HistogramVec, Error> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registry.add("histogram", HistogramVec::new(options, labels)?)
}
