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
    /// What the full ones take, in bytes, with what of them stayed empty.
    taken: usize,
    open: Vec<u8>,
}

impl Pieces {
    /// Where so many bytes can be written. It is no error to write more.
    pub(super) fn with_space(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.open.capacity() - self.open.len() < bytes {
            self.seal();
            // No more than a fifth of it all stays empty in the last piece.
            self.open.reserve_exact(bytes.max((self.length / 4).clamp(SMALLEST, LARGEST)));
        }
        &mut self.open
    }

    /// The memory that they take, in bytes.
    pub(super) fn taken(&self) -> usize {
        self.taken + self.open.capacity()
    }

    /// All that was written.
    pub(super) fn into_chunks(mut self) -> Vec<Bytes> {
        self.seal();
        self.full
    }

    fn seal(&mut self) {
        let full = mem::take(&mut self.open);
        self.length += full.len();
        self.taken += full.capacity();
        if !full.is_empty() {
            self.full.push(full.into());
        }
    }
}
