//! The way of spans to a collector: a bounded queue, and a thread that empties it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{self, BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData},
};
use url::Url;

/// The name under which a tracing system lists the worker.
const SERVICE: &str = "key-backup-worker";

/// Spans that wait at the most. What comes while so many wait is dropped.
const QUEUE: usize = 4096;

/// Spans of one message to the collector.
const BATCH: usize = 512;

/// How long spans wait for a message to fill.
const DELAY: Duration = Duration::from_secs(1);

/// How long a collector may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a worker that ends waits for the collector.
const FLUSH: Duration = Duration::from_secs(2);

/// Where traces go, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpSettings {
    /// The collector's address for OTLP over HTTP, without `/v1/traces`.
    pub endpoint: Url,
    /// Which part of the requests is traced, from 0 to 1, of those whose `traceparent` does not say whether they are.
    pub sampling_ratio: f64,
}

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("cannot use key_backup_worker.otlp")]
pub struct SetupError(#[from] ExporterBuildError);

/// Makes spans, and exports them. Cheap to clone.
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    pub(crate) tracer: SdkTracer,
}

impl Traces {
    /// Starts the thread that exports what is traced, for the instance of this `name` and `version`. The collector is not asked whether it
    /// is there.
    ///
    /// # Errors
    ///
    /// The address, or what the environment says of headers, cannot be used.
    pub fn start(settings: &OtlpSettings, name: &str, version: &'static str) -> Result<Self, SetupError> {
        let endpoint = format!("{}/v1/traces", settings.endpoint.as_str().trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(ANSWER)
            .build()?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::new(Exporter::new(exporter), config))
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sampling_ratio))))
            .with_resource(resource(name, version))
            .build();
        Ok(Self { tracer: provider.tracer(SERVICE), provider })
    }

    /// Sends what waits, for 2 s at the most, and ends the export. It blocks the thread.
    pub fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!("the last traces are lost: {error}");
        }
    }
}

/// Nothing of it comes from the environment.
fn resource(name: &str, version: &'static str) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", SERVICE),
            KeyValue::new("service.version", version),
            KeyValue::new("service.instance.id", name.to_owned()),
        ])
        .build()
}

/// Tells once of a collector that cannot be reached, in place of once for each message.
#[derive(Debug)]
struct Exporter {
    otlp: SpanExporter,
    /// Spans that did not arrive since the last ones that did.
    lost: AtomicUsize,
}

impl Exporter {
    fn new(otlp: SpanExporter) -> Self {
        Self { otlp, lost: AtomicUsize::new(0) }
    }
}

impl trace::SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        match self.otlp.export(batch).await {
            Ok(()) => match self.lost.swap(0, Ordering::Relaxed) {
                0 => {}
                lost => tracing::warn!("traces are exported again; {lost} spans were lost"),
            },
            Err(error) => {
                if self.lost.fetch_add(spans, Ordering::Relaxed) == 0 {
                    tracing::warn!("traces cannot be exported, and are lost until they can: {error}");
                }
            }
        }
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.otlp.shutdown()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}
