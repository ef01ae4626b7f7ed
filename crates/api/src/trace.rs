//! What a trace tells of a request: the pattern of its path, and never the path itself, which holds ids, nor the query, which may hold a token.

use actix_web::{
    HttpRequest,
    http::{Method, header, uri::Authority},
};
use key_backup_traces::{Received, RequestSpan};

use crate::{
    Instance, ListenerContext,
    routes::{Route, method_label},
};

/// Begins the span of a request; `None` where none is wanted: nothing is traced, or this request is not, as a probe, a scrape or a preflight.
pub(crate) fn begin(
    instance: &Instance,
    listener: &ListenerContext,
    request: &HttpRequest,
    route: &Route,
    id: &str,
) -> Option<RequestSpan> {
    let traces = instance.traces.as_ref()?;
    if request.method() == Method::OPTIONS || matches!(route, Route::Health | Route::Ready | Route::Metrics) {
        return None;
    }
    let header = |name| request.headers().get(name)?.to_str().ok();
    traces.request(&Received {
        method: Some(method_label(request.method())).filter(|label| *label != "other"),
        route: route.pattern(),
        scheme: if listener.tls { "https" } else { "http" },
        server: server(request),
        id,
        traceparent: header("traceparent"),
        tracestate: header("tracestate"),
    })
}

/// What stands in `Host`, without what does not belong there.
fn server(request: &HttpRequest) -> Option<(String, Option<u16>)> {
    let host: Authority = request.headers().get(header::HOST)?.to_str().ok()?.parse().ok()?;
    Some((host.host().to_owned(), host.port_u16()))
}
