//! The kinds of work that are measured.

use std::{cell::Cell, rc::Rc};

use super::load::MakeRequest;
use crate::traffic::{
    request::{plain, put, session_in_path},
    world::{self, DELETABLE, DELETABLE_ROOM, Kind, NEW, USERS, WORST_INDEX, room_id, session_data},
};

/// What PostgreSQL does by itself for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Nothing is measured.
    None,
    /// The worker's own statement, again and again.
    Statement,
    /// The same, each time for another user who stands for the one of the request.
    StatementOfManyUsers,
    /// A binary COPY of a user's rows.
    Copy {
        /// How many there are.
        keys: usize,
    },
}

/// One kind of work.
pub(super) struct Work {
    /// The same in every run: what other parts know it by.
    pub(super) id: String,
    /// For people.
    pub(super) name: String,
    /// Connections that do it at the same time.
    pub(super) connections: usize,
    /// A restore of so many keys by each connection: measured by few requests, and by memory.
    pub(super) restores: Option<usize>,
    pub(super) limit: Limit,
    /// SQL that is run before each round, so that all rounds find the same.
    pub(super) before_round: Vec<String>,
    pub(super) make: MakeRequest,
}

impl Work {
    fn new(
        id: &str,
        name: &str,
        connections: usize,
        make: impl Fn(usize, usize) -> Option<Vec<u8>> + 'static,
    ) -> Self {
        let make = Rc::new(make);
        let (id, name, limit) = (id.to_owned(), name.to_owned(), Limit::None);
        Self { id, name, connections, restores: None, limit, before_round: Vec::new(), make }
    }

    fn limit(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }

    fn before_round(self, before_round: Vec<String>) -> Self {
        Self { before_round, ..self }
    }
}

/// A number of keys as people write it.
pub(super) fn short(keys: usize) -> String {
    if keys >= 1000 && keys.is_multiple_of(1000) { format!("{}k", keys / 1000) } else { keys.to_string() }
}

pub(super) fn poll(keys: usize) -> Work {
    let request = plain("GET", &Kind::Reader.token(keys), "/version");
    let size = short(keys);
    let work = Work::new(&format!("poll-{size}"), &format!("version poll, {size} keys"), 8, move |_, _| {
        Some(request.clone())
    });
    if keys == 10_000 { work.limit(Limit::Statement) } else { work }
}

pub(super) fn get_one() -> Work {
    let token = Kind::Reader.token(10_000);
    let make = move |connection: usize, request: usize| {
        let number = (connection * 997 + request * 31) % 10_000;
        let path = format!("/keys/{}/{}?version=1", room_id(number % 50), session_in_path(number));
        Some(plain("GET", &token, &path))
    };
    Work::new("get", "GET one key (of 10k)", 8, make).limit(Limit::Statement)
}

/// New keys, never the same twice.
pub(super) fn put_new(keys: usize) -> Work {
    let (next, data, connections) = (Cell::new(NEW), session_data(), connections(keys));
    let make = move |connection: usize, request: usize| {
        let first = next.replace(next.get() + keys);
        let token = Kind::Uploader.token((connection + request * connections) % USERS);
        Some(put(&token, first, keys, 0, &data))
    };
    let name = if keys == 1 { "PUT 1 new key, 64 users".to_owned() } else { format!("PUT {keys} new") };
    let work = Work::new(&format!("put-{keys}-new"), &name, connections, make)
        .before_round(world::without_new_keys(Kind::Uploader));
    if keys == 1 { work.limit(Limit::StatementOfManyUsers) } else { work }
}

/// New keys of one user, from many devices at once.
pub(super) fn put_hot() -> Work {
    let (next, data, token) = (Cell::new(NEW), session_data(), Kind::Hot.token(0));
    let make = move |_, _| Some(put(&token, next.replace(next.get() + 1), 1, 0, &data));
    Work::new("put-1-new-hot", "PUT 1 new key, one hot user", 16, make)
        .before_round(world::without_new_keys(Kind::Hot))
}

/// Keys that the backup holds already.
pub(super) fn put_known(keys: usize) -> Work {
    let (data, connections) = (session_data(), connections(keys));
    let make = move |connection: usize, request: usize| {
        let token = Kind::Knower.token((connection + request * connections) % USERS);
        Some(put(&token, 0, keys, 0, &data))
    };
    let name = if keys == 1 { "PUT 1 known key".to_owned() } else { format!("PUT {keys} known") };
    Work::new(&format!("put-{keys}-known"), &name, connections, make)
}

/// The same keys again and again, each time better.
pub(super) fn put_better(keys: usize) -> Work {
    let index = Cell::new(WORST_INDEX);
    let (data, connections) = (session_data(), connections(keys));
    let make = move |connection: usize, request: usize| {
        index.set(index.get() - 1);
        let token = Kind::Improver.token((connection + request * connections) % USERS);
        Some(put(&token, 0, keys, index.get(), &data))
    };
    let name = if keys == 1 { "PUT 1 better key".to_owned() } else { format!("PUT {keys} better") };
    Work::new(&format!("put-{keys}-better"), &name, connections, make).before_round(world::with_worse_keys())
}

/// Uploads of one key come from all users at once; fewer large ones are under way at the same time.
const fn connections(keys: usize) -> usize {
    match keys {
        1 => USERS,
        2..=100 => 16,
        _ => 4,
    }
}

/// Each user deletes its keys one after another, until there are none left.
pub(super) fn delete_key() -> Work {
    let connections = 16;
    let make = move |connection: usize, request: usize| {
        let (user, key) =
            (connection + request % (USERS / connections) * connections, request / (USERS / connections));
        let path = format!("/keys/{}/{}?version=1", room_id(key / DELETABLE_ROOM), session_in_path(key));
        (key < DELETABLE).then(|| plain("DELETE", &Kind::Deleter.token(user), &path))
    };
    Work::new("delete-key", "DELETE one key", connections, make).before_round(world::with_deletable_keys())
}

/// Each user deletes its rooms one after another, until there are none left.
pub(super) fn delete_room() -> Work {
    let connections = 16;
    let make = move |connection: usize, request: usize| {
        let (user, room) =
            (connection + request % (USERS / connections) * connections, request / (USERS / connections));
        let path = format!("/keys/{}?version=1", room_id(room));
        (room < DELETABLE / DELETABLE_ROOM).then(|| plain("DELETE", &Kind::Deleter.token(user), &path))
    };
    Work::new("delete-room", "DELETE a room of 100 keys", connections, make)
        .before_round(world::with_deletable_keys())
}

pub(super) fn restore(keys: usize, connections: usize) -> Work {
    let request = plain("GET", &Kind::Reader.token(keys), "/keys?version=1");
    let size = short(keys);
    let (id, name) = if connections == 1 {
        (format!("restore-{size}"), format!("restore {size}"))
    } else {
        (format!("restore-{size}-x{connections}"), format!("{connections} restores of {size} at once"))
    };
    let limit = if connections == 1 { Limit::Copy { keys } } else { Limit::None };
    let work = Work::new(&id, &name, connections, move |_, _| Some(request.clone())).limit(limit);
    Work { restores: Some(keys), ..work }
}
