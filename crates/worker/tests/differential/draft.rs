//! A request before it is known who makes it.

use std::fmt;

use key_backup_testkit::{Account, http::Request};

const ROOM_KEYS: &str = "/_matrix/client/v3/room_keys/";

/// A request in which `{token}`, `{user}`, `{device}` and `{administrator}` stand for what is only known when it is sent.
#[derive(Clone)]
pub(crate) struct Draft {
    method: String,
    /// As in the request line; without a leading slash it is below `/_matrix/client/v3/room_keys/`.
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    with_token: bool,
    http10: bool,
    body: Body,
}

#[derive(Clone)]
enum Body {
    None,
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

/// What the placeholders stand for.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The fresh user.
    pub(crate) account: Account,
    /// An administrator's token.
    pub(crate) administrator: String,
}

impl Names {
    /// The text with the placeholders replaced.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{token}", &self.account.access_token)
            .replace("{user}", &self.account.user_id)
            .replace("{device}", &self.account.device_id)
            .replace("{administrator}", &self.administrator)
    }
}

/// The request line, the headers' values and the start of the body.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.headers {
            write!(f, " {name}: {}", String::from_utf8_lossy(value))?;
        }
        match &self.body {
            Body::None => Ok(()),
            Body::Length(body) => write!(f, " {:.200}", String::from_utf8_lossy(body)),
            Body::Chunked(chunks) => {
                write!(f, " {:.200} (chunked)", String::from_utf8_lossy(&chunks.concat()))
            }
        }
    }
}

impl Draft {
    /// A request with the user's token and no body.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            with_token: true,
            http10: false,
            body: Body::None,
        }
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Length(body.into());
        self
    }

    pub(crate) fn chunked(mut self, chunks: &[&str]) -> Self {
        self.body = Body::Chunked(chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn without_token(mut self) -> Self {
        self.with_token = false;
        self
    }

    pub(crate) fn http10(mut self) -> Self {
        self.http10 = true;
        self
    }

    /// Whether it only reads.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// The request of this user.
    pub(crate) fn request(&self, names: &Names) -> Request {
        let target = names.fill(&self.target);
        let target = if target.starts_with('/') { target } else { format!("{ROOM_KEYS}{target}") };
        let mut request = Request::new(&self.method, &target);
        if self.with_token {
            request = request.bearer(&names.account.access_token);
        }
        for (name, value) in &self.headers {
            request = match str::from_utf8(value) {
                Ok(text) => request.header(name, names.fill(text)),
                Err(_) => request.header(name, value),
            };
        }
        if self.http10 {
            request = request.http10();
        }
        match &self.body {
            Body::None => request,
            Body::Length(body) => request.body(body.clone()),
            Body::Chunked(chunks) => request.chunked(&chunks.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        }
    }
}
