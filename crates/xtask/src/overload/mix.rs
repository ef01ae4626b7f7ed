//! What busy users ask for.

use std::cell::Cell;

use super::servers::BUSY_USERS;
use crate::traffic::{
    request::{plain, put, session_in_path},
    world::{Kind, NEW, room_of, session_data},
};

/// Requests in about the proportions that `cargo xtask bench` assumes for a day of an active user: of 14, one poll, five single keys,
/// four uploads of a new key and four of a known one. Each is for another user than the one before.
pub(super) struct Mix {
    data: String,
    next_user: Cell<usize>,
    next_key: Cell<usize>,
}

impl Mix {
    pub(super) fn new() -> Self {
        Self { data: session_data(), next_user: Cell::new(0), next_key: Cell::new(NEW) }
    }

    /// The bytes of the next request.
    pub(super) fn next(&self) -> Vec<u8> {
        let number = self.next_user.replace(self.next_user.get() + 1);
        let token = Kind::Uploader.token(number % BUSY_USERS);
        let key = number % 200;
        match number % 14 {
            0 => plain("GET", &token, "/version"),
            1..6 => {
                plain("GET", &token, &format!("/keys/{}/{}?version=1", room_of(key), session_in_path(key)))
            }
            6..10 => put(&token, self.next_key.replace(self.next_key.get() + 1), 1, 0, &self.data),
            _ => put(&token, key, 1, 0, &self.data),
        }
    }
}
