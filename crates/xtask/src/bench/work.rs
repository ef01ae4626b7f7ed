//! The kinds of work that are measured.

use std::{cell::Cell, fmt::Write, rc::Rc};

use super::{
    load::MakeRequest,
    world::{UPLOADERS, hot, reader, room_id, session_data, session_id, uploader},
};

const PATH: &str = "/_matrix/client/v3/room_keys";

/// One kind of work.
pub(super) struct Work {
    pub(super) name: String,
    /// Connections that do it at the same time.
    pub(super) connections: usize,
    /// A restore: measured by few requests, and by memory.
    pub(super) is_restore: bool,
    pub(super) make: MakeRequest,
}

/// All kinds of work on backups of these sizes.
pub(super) fn all(sizes: &[usize]) -> Vec<Work> {
    let mut work: Vec<Work> = sizes.iter().map(|keys| poll(*keys)).collect();
    work.push(get_one());
    for keys in [1, 100] {
        work.push(put_new(keys, UPLOADERS));
        work.push(put_known(keys));
    }
    work.push(put_new(1, 1));
    work.push(put_better(100));
    for keys in sizes.iter().filter(|keys| **keys >= 10_000) {
        work.push(restore(*keys, 1));
    }
    if let Some(most) = sizes.iter().max() {
        work.push(restore(*most, 8));
    }
    work
}

fn work(name: String, connections: usize, make: impl Fn(usize, usize) -> Vec<u8> + 'static) -> Work {
    Work { name, connections, is_restore: false, make: Rc::new(make) }
}

fn poll(keys: usize) -> Work {
    let request = get(&reader(keys).1, "/version");
    work(format!("version poll, {keys} keys"), 8, move |_, _| request.clone())
}

fn get_one() -> Work {
    let token = reader(10_000).1;
    work("GET one key of 10000".to_owned(), 8, move |connection, request| {
        let number = (connection * 997 + request * 31) % 10_000;
        let room = format!("!{:043}", number % 50);
        get(&token, &format!("/keys/{room}/{}?version=1", session_id(number).replace('/', "%2F")))
    })
}

/// New keys, of many users or of one.
fn put_new(keys: usize, users: usize) -> Work {
    // Never the same key twice, in whichever round and to whichever server.
    let next = Cell::new(1_000_000);
    let who = if users == 1 { "one hot user".to_owned() } else { format!("{users} users") };
    work(format!("PUT {keys} new, {who}"), 16, move |connection, request| {
        let token = if users == 1 { hot().1 } else { uploader((connection + request * 16) % users).1 };
        let first = next.replace(next.get() + keys);
        put(&token, first, keys, 0)
    })
}

fn put_known(keys: usize) -> Work {
    work(format!("PUT {keys} known"), 16, move |connection, request| {
        put(&uploader((connection + request * 16) % UPLOADERS).1, 0, keys, 0)
    })
}

/// The same keys again and again, each time better.
fn put_better(keys: usize) -> Work {
    let index = Cell::new(1_000_000_000);
    work(format!("PUT {keys} better"), 16, move |connection, request| {
        index.set(index.get() - 1);
        put(&uploader((connection + request * 16) % UPLOADERS).1, 500_000, keys, index.get())
    })
}

fn restore(keys: usize, connections: usize) -> Work {
    let request = get(&reader(keys).1, "/keys?version=1");
    let name = if connections == 1 {
        format!("restore {keys}")
    } else {
        format!("{connections} restores of {keys} at once")
    };
    Work { name, connections, is_restore: true, make: Rc::new(move |_, _| request.clone()) }
}

fn get(token: &str, path: &str) -> Vec<u8> {
    format!("GET {PATH}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// Uploads keys from `first` on.
fn put(token: &str, first: usize, keys: usize, index: i32) -> Vec<u8> {
    let data = session_data();
    let mut rooms: Vec<(String, String)> = Vec::new();
    for number in first..first + keys {
        let room = room_id(number);
        if rooms.last().is_none_or(|(last, _)| *last != room) {
            rooms.push((room, String::new()));
        }
        let Some((_, sessions)) = rooms.last_mut() else { continue };
        let separator = if sessions.is_empty() { "" } else { "," };
        let _ = write!(
            sessions,
            r#"{separator}"{}":{{"first_message_index":{index},"forwarded_count":0,"is_verified":false,"session_data":{data}}}"#,
            session_id(number)
        );
    }
    let rooms: Vec<_> =
        rooms.iter().map(|(room, sessions)| format!(r#""{room}":{{"sessions":{{{sessions}}}}}"#)).collect();
    let body = format!(r#"{{"rooms":{{{}}}}}"#, rooms.join(","));
    let length = body.len();
    format!("PUT {PATH}/keys?version=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}
