//! How the body of an answer is framed.

use anyhow::{Context, Result};

use super::Head;

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(usize),
    /// Chunks, the next thing being a chunk's size.
    Chunked,
    /// Everything until the server closes.
    UntilClose,
    /// Nothing.
    Done,
}

impl Framing {
    /// The rules of RFC 9112, section 6.3, for the answer to a request of this method.
    pub(super) fn of(head: &Head, method: &str) -> Result<Self> {
        if method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304) {
            return Ok(Self::Done);
        }
        if head.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Ok(Self::Chunked);
        }
        match head.header("Content-Length") {
            Some(length) => Ok(Self::Length(length.parse().context("not a Content-Length")?)),
            None => Ok(Self::UntilClose),
        }
    }
}
