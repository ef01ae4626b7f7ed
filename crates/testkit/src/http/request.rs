//! What is sent.

use serde_json::Value;

/// A request: its line and its headers go out exactly as given, in this order, and nothing is added but the headers that
/// the chosen framing of the body needs.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: String,
    target: String,
    version: &'static str,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
    Raw(Vec<u8>),
}

impl Request {
    /// An HTTP/1.1 request with a `Host` header and without a body. The target is sent as it is: encode it yourself.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            headers: vec![("Host".to_owned(), b"example.com".to_vec())],
            body: Body::None,
        }
    }

    /// Makes it an HTTP/1.0 request.
    #[must_use]
    pub fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// Adds a header; one of the same name stays. The value may be any bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, access_token: &str) -> Self {
        self.header("Authorization", format!("Bearer {access_token}"))
    }

    /// Gives it a body with its `Content-Length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Length(body.into());
        self
    }

    /// As [`Request::body`], with `Content-Type: application/json`.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// Gives it a body with `Transfer-Encoding: chunked`, in these chunks (an empty one would end it early).
    #[must_use]
    pub fn chunked(mut self, chunks: &[&[u8]]) -> Self {
        self.body = Body::Chunked(chunks.iter().map(|chunk| chunk.to_vec()).collect());
        self
    }

    /// Sends these bytes after the headers, and no header about them.
    #[must_use]
    pub fn raw_body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Raw(bytes.into());
        self
    }

    /// What goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.headers {
            push_header(&mut bytes, name, value);
        }
        match &self.body {
            Body::None => bytes.extend(b"\r\n"),
            Body::Raw(body) => {
                bytes.extend(b"\r\n");
                bytes.extend(body);
            }
            Body::Length(body) => {
                push_header(&mut bytes, "Content-Length", body.len().to_string().as_bytes());
                bytes.extend(b"\r\n");
                bytes.extend(body);
            }
            Body::Chunked(chunks) => {
                push_header(&mut bytes, "Transfer-Encoding", b"chunked");
                bytes.extend(b"\r\n");
                for chunk in chunks {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

fn push_header(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    bytes.extend(name.as_bytes());
    bytes.extend(b": ");
    bytes.extend(value);
    bytes.extend(b"\r\n");
}
