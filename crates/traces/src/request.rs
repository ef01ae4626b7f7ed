//! The span of a request, by OpenTelemetry's conventions for HTTP servers.

use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use crate::{Traces, span::OfRequest};

/// A request as it came in.
pub struct Received<'a> {
    /// One of the methods that HTTP defines; `None` for any other.
    pub method: Option<&'static str>,
    /// The pattern of its path; `None` for a path that is not served.
    pub route: Option<&'static str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Whom the client has asked, and on which port, as far as it said so.
    pub server: Option<(String, Option<u16>)>,
    /// The request's id in the log.
    pub id: &'a str,
    /// The header of this name, by which a proxy says what trace the request is a part of.
    pub traceparent: Option<&'a str>,
    /// The header of this name, which goes with it.
    pub tracestate: Option<&'a str>,
}

/// A request that is traced. Its span ends with [`RequestSpan::answered`], or, for a request that is never answered, when nothing is
/// left of it.
pub struct RequestSpan(Context);

impl Traces {
    /// Begins the span of a request, as a part of the trace that its `traceparent` names; `None` if it is none of those to be traced.
    pub fn request(&self, request: &Received<'_>) -> Option<RequestSpan> {
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), request);
        let builder = SpanBuilder::from_name(request.name())
            .with_kind(SpanKind::Server)
            .with_attributes(request.attributes());
        let span = self.tracer.build_with_context(builder, &parent);
        let context = || Context::new().with_value(OfRequest(self.tracer.clone()));
        span.is_recording().then(|| RequestSpan(context().with_span(span)))
    }
}

impl RequestSpan {
    /// What parts of the request are parts of.
    pub fn context(&self) -> Context {
        self.0.clone()
    }

    /// The answer has left; not whole, where it is not `complete`.
    pub fn answered(&self, status: u16, complete: bool) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        let error = match status {
            _ if !complete => Some("incomplete".to_owned()),
            500.. => Some(status.to_string()),
            _ => None,
        };
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.type", error));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl Received<'_> {
    fn name(&self) -> String {
        let method = self.method.unwrap_or("HTTP");
        self.route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("http.request.method", self.method.unwrap_or("_OTHER")),
            KeyValue::new("url.scheme", self.scheme),
            KeyValue::new("request_id", self.id.to_owned()),
        ];
        attributes.extend(self.route.map(|route| KeyValue::new("http.route", route)));
        if let Some((address, port)) = &self.server {
            attributes.push(KeyValue::new("server.address", address.clone()));
            attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
        }
        attributes
    }
}

impl Extractor for Received<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
