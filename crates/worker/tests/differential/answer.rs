//! What was answered, taken apart into what may be compared.

use std::collections::BTreeMap;

use anyhow::Result;
use key_backup_testkit::http::Response;
use serde_json::Value;

use super::json;

/// An answer by its parts: `status`, `body`, and each header by its name in lower case; or only `answer`, if there was none.
pub(crate) type Parts = BTreeMap<String, Value>;

/// Headers that tell of the server and the connection rather than of the answer: compared only where a step states them.
pub(crate) const INCIDENTAL: [&str; 6] =
    ["allow", "connection", "date", "keep-alive", "server", "transfer-encoding"];

/// The parts of an answer; the error is that of a connection that was closed without one.
pub(crate) fn parts(response: Result<Response>) -> Parts {
    let Ok(response) = response else { return no_answer() };
    let mut parts = Parts::from([
        ("status".to_owned(), response.status.into()),
        ("body".to_owned(), json::of_body(&response.body)),
    ]);
    for (name, value) in &response.head.headers {
        let name = name.to_lowercase();
        let value = match name.as_str() {
            // The length of JSON depends on its spacing.
            "content-length" if value != "0" => continue,
            "server" => value.split('/').next().unwrap_or_default(),
            _ => value,
        };
        parts.insert(name, value.into());
    }
    parts
}

/// The connection was closed instead.
pub(crate) fn no_answer() -> Parts {
    Parts::from([("answer".to_owned(), "none".into())])
}
