//! What is sent, as data: a [`Sequence`] of [`Step`]s, and short words to write them with.

use serde_json::{Value, json};

use super::{
    draft::Draft,
    known::Known,
    stated::{Answered, Difference},
};

/// Requests that a fresh user makes one after another.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    /// Run also with all writes at one server and all reads at the other, both ways.
    pub(crate) crosswise: bool,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) action: Action,
    /// How the answers differ; `None`: not at all.
    pub(crate) difference: Option<Difference>,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Requests sent in one go over one connection, usually one.
    Send(Vec<Draft>),
    /// The head of a request, then, after `100 Continue`, its body.
    SendAfterContinue(Draft, String),
    /// These very bytes on a connection of their own; one answer is read.
    Bytes(String),
    /// A request to Synapse's main process, whichever server is being looked at; it has to succeed.
    Main(Draft),
    /// Statements on Synapse's tables.
    Sql(String),
}

/// A sequence.
pub(crate) fn sequence(name: &str, steps: impl IntoIterator<Item = Step>) -> Sequence {
    Sequence { name: name.to_owned(), steps: steps.into_iter().collect(), crosswise: false }
}

impl Sequence {
    pub(crate) fn crosswise(mut self) -> Self {
        self.crosswise = true;
        self
    }
}

/// GET.
pub(crate) fn get(target: &str) -> Step {
    request("GET", target)
}

/// DELETE.
pub(crate) fn delete(target: &str) -> Step {
    request("DELETE", target)
}

/// PUT of JSON.
pub(crate) fn put(target: &str, body: &Value) -> Step {
    put_text(target, &body.to_string())
}

/// PUT of this very text, called JSON.
pub(crate) fn put_text(target: &str, body: &str) -> Step {
    request("PUT", target).header("Content-Type", "application/json").body(body)
}

/// POST of JSON.
pub(crate) fn post(target: &str, body: &Value) -> Step {
    post_text(target, &body.to_string())
}

/// POST of this very text, called JSON.
pub(crate) fn post_text(target: &str, body: &str) -> Step {
    request("POST", target).header("Content-Type", "application/json").body(body)
}

/// Any method.
pub(crate) fn request(method: &str, target: &str) -> Step {
    Step { action: Action::Send(vec![Draft::new(method, target)]), difference: None }
}

/// Requests of several steps, sent in one go over one connection.
pub(crate) fn pipelined(steps: impl IntoIterator<Item = Step>) -> Step {
    let drafts = steps.into_iter().flat_map(|step| match step.action {
        Action::Send(drafts) => drafts,
        action => panic!("not a request: {action:?}"),
    });
    Step { action: Action::Send(drafts.collect()), difference: None }
}

/// PUT whose body is sent once the server has said `100 Continue`.
pub(crate) fn put_after_continue(target: &str, body: &Value) -> Step {
    let body = body.to_string();
    let draft = Draft::new("PUT", target)
        .header("Expect", "100-continue")
        .header("Content-Length", body.len().to_string());
    Step { action: Action::SendAfterContinue(draft, body), difference: None }
}

/// These bytes as they are, but for the placeholders.
pub(crate) fn bytes(bytes: &str) -> Step {
    Step { action: Action::Bytes(bytes.to_owned()), difference: None }
}

/// A request to Synapse's main process, such as a logout.
pub(crate) fn on_main(step: Step) -> Step {
    match step.action {
        Action::Send(mut drafts) if drafts.len() == 1 => {
            Step { action: Action::Main(drafts.remove(0)), difference: None }
        }
        action => panic!("not one request: {action:?}"),
    }
}

/// Statements on Synapse's tables; `{user}` and the other placeholders are filled in.
pub(crate) fn sql(statements: &str) -> Step {
    Step { action: Action::Sql(statements.to_owned()), difference: None }
}

/// A new version, the first time version 1.
pub(crate) fn new_version() -> Step {
    post("version", &json!({ "algorithm": "m.test", "auth_data": { "public_key": "k" } }))
}

/// A key as clients upload it; its `session_data` tells it from others.
pub(crate) fn key(first_message_index: i64, forwarded_count: i64, is_verified: bool) -> Value {
    json!({
        "first_message_index": first_message_index,
        "forwarded_count": forwarded_count,
        "is_verified": is_verified,
        "session_data": { "mac": format!("{first_message_index} {forwarded_count} {is_verified}") },
    })
}

/// The body of an upload with one key for session `s` of room `!r`.
pub(crate) fn one_key(key: &Value) -> Value {
    json!({ "rooms": { "!r": { "sessions": { "s": key } } } })
}

impl Step {
    /// States how the answers differ, and why.
    pub(crate) fn differs(self, known: Known, synapse: Answered, worker: Answered) -> Self {
        Self { difference: Some(Difference { known, synapse, worker }), ..self }
    }

    pub(crate) fn header(self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.draft(|draft| draft.header(name, value))
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.draft(|draft| draft.body(body))
    }

    pub(crate) fn chunked(self, chunks: &[&str]) -> Self {
        self.draft(|draft| draft.chunked(chunks))
    }

    pub(crate) fn without_token(self) -> Self {
        self.draft(Draft::without_token)
    }

    pub(crate) fn http10(self) -> Self {
        self.draft(Draft::http10)
    }

    fn draft(self, change: impl FnOnce(Draft) -> Draft) -> Self {
        match self.action {
            Action::Send(mut drafts) if drafts.len() == 1 => {
                Self { action: Action::Send(vec![change(drafts.remove(0))]), ..self }
            }
            action => panic!("not one request: {action:?}"),
        }
    }
}
