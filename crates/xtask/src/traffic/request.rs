//! The bytes of requests.

use std::fmt::Write;

use super::world::{room_of, session_id};

const PATH: &str = "/_matrix/client/v3/room_keys";

/// A request without a body.
pub(crate) fn plain(method: &str, token: &str, path: &str) -> Vec<u8> {
    format!("{method} {PATH}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// The id of a session as it stands in a path.
pub(crate) fn session_in_path(number: usize) -> String {
    session_id(number).replace('/', "%2F")
}

/// An upload of so many keys from `first` on, each with this `first_message_index` and `session_data`.
pub(crate) fn put(token: &str, first: usize, keys: usize, index: i32, data: &str) -> Vec<u8> {
    let mut body = String::with_capacity(200 + keys * (data.len() + 200));
    body.push_str(r#"{"rooms":{"#);
    let mut open: Option<String> = None;
    for number in first..first + keys {
        let room = room_of(number);
        if open.as_ref() == Some(&room) {
            body.push(',');
        } else {
            let end = if open.is_some() { "}}," } else { "" };
            let _ = write!(body, r#"{end}"{room}":{{"sessions":{{"#);
            open = Some(room);
        }
        let _ = write!(
            body,
            r#""{}":{{"first_message_index":{index},"forwarded_count":0,"is_verified":false,"session_data":{data}}}"#,
            session_id(number)
        );
    }
    body.push_str("}}}}");
    let length = body.len();
    format!("PUT {PATH}/keys?version=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_upload_over_the_border_of_a_room_names_both_rooms() {
        let request = String::from_utf8(put("t", 198, 4, 7, "{}")).unwrap();
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        let rooms = body["rooms"].as_object().unwrap();
        let sizes: Vec<_> = rooms.values().map(|room| room["sessions"].as_object().unwrap().len()).collect();
        assert_eq!(sizes, [2, 2]);
    }
}
