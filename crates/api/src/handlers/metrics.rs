//! What Prometheus scrapes: `GET /_synapse/metrics` on listeners with the resource `metrics`, any path on those of the type `metrics`.

use actix_web::{HttpResponse, http::header::CONTENT_TYPE};

use super::Call;

/// All metrics in Prometheus's text format.
pub(crate) fn answer(call: &Call) -> HttpResponse {
    let instance = &call.state.instance;
    instance.databases.observe_pools();
    match instance.metrics.encode() {
        Ok(text) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
            .body(text),
        Err(error) => {
            tracing::error!("cannot encode the metrics: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
