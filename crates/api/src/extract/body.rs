//! The body of a request: read whole, up to the limit, whatever its Content-Type says.

use actix_web::{
    HttpRequest,
    http::header::CONTENT_LENGTH,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt;

use crate::ApiError;

/// Reads the body.
///
/// [`ApiError::TooLarge`] comes before the first byte is read where Content-Length tells it, and else as soon as the limit is
/// passed; Synapse cuts the connection.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(ApiError::TooLarge(limit));
    }
    let first = payload.next().await.transpose().map_err(|_| ApiError::IncompleteBody)?.unwrap_or_default();
    let Some(second) = payload.next().await else { return within(first, limit) };
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0).max(first.len()));
    body.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        body.extend_from_slice(&chunk.map_err(|_| ApiError::IncompleteBody)?);
        if body.len() > limit {
            return Err(ApiError::TooLarge(limit));
        }
        next = payload.next().await;
    }
    Ok(body.freeze())
}

fn within(body: Bytes, limit: usize) -> Result<Bytes, ApiError> {
    if body.len() > limit { Err(ApiError::TooLarge(limit)) } else { Ok(body) }
}
