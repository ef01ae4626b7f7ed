//! Bytes in pieces.

use std::mem;

use actix_web::web::Bytes;

/// The first piece, in bytes: little stays empty where there is little to write.
const SMALLEST: usize = 2 << 10;

/// What pieces grow to, in bytes: they fit the caches of a processor.
const LARGEST: usize = 64 << 10;

/// Bytes that need not be copied when they become more.
#[derive(Default)]
pub(super) struct Pieces {
    full: Vec<Bytes>,
    length: usize,
    open: Vec<u8>,
}

impl Pieces {
    /// Where so many bytes can be written. It is no error to write more.
    pub(super) fn with_space(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.open.capacity() - self.open.len() < bytes {
            self.seal();
            self.open.reserve_exact(bytes.max(self.length.clamp(SMALLEST, LARGEST)));
        }
        &mut self.open
    }

    /// All that was written.
    pub(super) fn into_chunks(mut self) -> Vec<Bytes> {
        self.seal();
        self.full
    }

    fn seal(&mut self) {
        let full = mem::take(&mut self.open);
        self.length += full.len();
        if !full.is_empty() {
            self.full.push(full.into());
        }
    }
}
