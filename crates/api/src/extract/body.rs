//! The body of a request: read whole, up to the limit, whatever its Content-Type says.

use actix_web::{
    HttpRequest,
    http::header::CONTENT_LENGTH,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt;
use tokio::time::timeout_at;

use crate::{
    ApiError,
    limits::{Limits, Pace, Reservation},
};

/// How much room is made at once for a body of which only the length has arrived.
const FIRST_ROOM: usize = 1024 * 1024;

/// The Content-Length, if there is one.
pub(crate) fn announced(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads the body, and takes its length of the memory that all bodies share.
///
/// [`ApiError::TooLarge`] comes before the first byte is read where Content-Length tells it, and else as soon as the limit is
/// passed; Synapse cuts the connection. [`ApiError::SlowBody`] if the client does not keep up the least rate.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
    limits: &Limits,
) -> Result<(Bytes, Reservation), ApiError> {
    let announced = announced(request);
    if announced.is_some_and(|length| length > limit) {
        return Err(ApiError::TooLarge(limit));
    }
    let mut body = Body { limit, limits, pace: limits.pace(), taken: Reservation::default() };
    let first = body.next(payload, 0).await?.unwrap_or_default();
    let Some(second) = body.next(payload, first.len()).await? else { return Ok((first, body.taken)) };
    let room = announced.unwrap_or(0).min(FIRST_ROOM).max(first.len());
    let mut bytes = BytesMut::with_capacity(room);
    bytes.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        bytes.extend_from_slice(&chunk);
        next = body.next(payload, bytes.len()).await?;
    }
    Ok((bytes.freeze(), body.taken))
}

/// A body on its way.
struct Body<'a> {
    limit: usize,
    limits: &'a Limits,
    pace: Pace,
    taken: Reservation,
}

impl Body<'_> {
    /// The next piece, if `length` bytes were not all.
    async fn next(&mut self, payload: &mut Payload, length: usize) -> Result<Option<Bytes>, ApiError> {
        let chunk = loop {
            match timeout_at(self.pace.deadline().into(), payload.next()).await {
                Ok(chunk) => break chunk,
                Err(_) if self.pace.is_kept() => {}
                Err(_) => return Err(self.limits.refused("slow_body", ApiError::SlowBody)),
            }
        };
        let Some(chunk) = chunk.transpose().map_err(|_| ApiError::IncompleteBody)? else { return Ok(None) };
        self.pace.moved(chunk.len());
        if length + chunk.len() > self.limit {
            return Err(ApiError::TooLarge(self.limit));
        }
        self.limits.bodies.grow(&mut self.taken, length + chunk.len())?;
        Ok(Some(chunk))
    }
}
