//! Answers and the headers that all of them carry.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::{
        ConnectionType, StatusCode, Version,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE,
            HeaderName, HeaderValue, RETRY_AFTER, SERVER,
        },
    },
};

use crate::{ApiError, ApiSettings};

/// Browsers hide even an error from a script without them; Synapse sends them with every answer but that of `/health`.
const CORS: [(HeaderName, &str); 4] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (ACCESS_CONTROL_ALLOW_HEADERS, "X-Requested-With, Content-Type, Authorization, Date"),
    (ACCESS_CONTROL_EXPOSE_HEADERS, "Synapse-Trace-Id, Server"),
];

const SERVER_NAME: &str = concat!("key-backup-worker/", env!("CARGO_PKG_VERSION"));

/// A JSON answer with status 200.
pub(crate) fn json(body: impl MessageBody + 'static) -> HttpResponse {
    with_status(StatusCode::OK, body)
}

/// A JSON answer of unknown length. A client of HTTP/1.0 knows no chunks: its answer ends with the connection.
pub(crate) fn json_stream(body: impl MessageBody + 'static, version: Version) -> HttpResponse {
    let mut response = json(body);
    if version < Version::HTTP_11 {
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// A Matrix error.
pub(crate) fn error(error: &ApiError) -> HttpResponse {
    let mut response = with_status(error.parts().0, error.to_json().to_string());
    if let ApiError::MethodNotAllowed(methods) = error {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    }
    if let Some(pause) = error.retry_after() {
        // The header knows whole seconds only.
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn with_status(status: StatusCode, body: impl MessageBody + 'static) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, "application/json"));
    response.insert_header((CACHE_CONTROL, "no-cache, no-store, must-revalidate"));
    for header in CORS {
        response.insert_header(header);
    }
    response.insert_header((SERVER, SERVER_NAME));
    response.body(body)
}

/// The answer to a preflight, which costs nothing: no token is looked at, and browsers may keep it.
pub(crate) fn preflight(settings: &ApiSettings) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    for header in CORS {
        response.insert_header(header);
    }
    response.insert_header((SERVER, SERVER_NAME));
    if !settings.cors_max_age.is_zero() {
        response.insert_header((ACCESS_CONTROL_MAX_AGE, HeaderValue::from(settings.cors_max_age.as_secs())));
    }
    response.finish()
}

/// The answer of `/ready`.
pub(crate) fn readiness(obstacle: Option<&'static str>) -> HttpResponse {
    let mut response =
        if obstacle.is_none() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((CONTENT_TYPE, "text/plain")).body(obstacle.unwrap_or("OK"))
}

/// The answer of `/health`.
pub(crate) fn healthy() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain")).body("OK")
}
