//! A stand-in for MAS: answers `POST` over HTTP/1.1, or over HTTP/2 without TLS, and notes every question.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{Request, Response};
use key_backup_testkit::http::Received;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// What HTTP/2 begins with where nobody has asked for it before.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// How a token is answered.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Status 200 with this body.
    Json(Value),
    /// The same, after a while.
    Later(Duration, Value),
    /// These bytes, and then the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing for ever.
    Silence(Vec<u8>),
}

/// A question as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// The service. Every token is inactive unless it is told otherwise.
#[derive(Clone)]
pub(crate) struct Service {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    questions: Vec<Question>,
    connections: usize,
}

impl Service {
    /// Starts it on a free port; it ends with the test.
    pub(crate) async fn start() -> Self {
        Self::start_as(Self::connection).await
    }

    /// Starts it behind TLS, for HTTP/1.1.
    pub(crate) async fn start_with_tls(config: Arc<ServerConfig>) -> Self {
        let acceptor = TlsAcceptor::from(config);
        Self::start_as(move |service, stream| {
            let accepted = acceptor.accept(stream);
            async move { service.http1(accepted.await?).await }
        })
        .await
    }

    async fn start_as<F>(serve: impl Fn(Self, TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let service = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let accepting = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.state.lock().unwrap().connections += 1;
                tokio::spawn(serve(accepting.clone(), stream));
            }
        });
        service
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on, this is the answer about a token.
    pub(crate) fn answer(&self, token: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert(token.to_owned(), answer);
    }

    /// All questions so far.
    pub(crate) fn questions(&self) -> Vec<Question> {
        self.state.lock().unwrap().questions.clone()
    }

    /// How many there were.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().questions.len()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Notes a question and says what to answer.
    fn note(&self, question: Question) -> Answer {
        let mut state = self.state.lock().unwrap();
        let token = question.body.strip_prefix("token=").and_then(|rest| rest.split('&').next());
        let answer = state.answers.get(token.unwrap_or_default()).cloned();
        state.questions.push(question);
        answer.unwrap_or_else(|| Answer::Json(json!({ "active": false })))
    }

    async fn connection(self, stream: TcpStream) -> io::Result<()> {
        let mut start = [0; PREFACE.len()];
        while stream.peek(&mut start).await? < start.len() {
            sleep(Duration::from_millis(1)).await;
        }
        if start == PREFACE { self.http2(stream).await } else { self.http1(stream).await }
    }

    async fn http1(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        loop {
            let Received { head, body } = Received::read(&mut stream).await?;
            match self.note(Question { head, body: String::from_utf8(body).unwrap() }) {
                Answer::Json(body) => stream.write_all(&ok(body.to_string().as_bytes())).await?,
                Answer::Later(time, body) => {
                    sleep(time).await;
                    stream.write_all(&ok(body.to_string().as_bytes())).await?;
                }
                Answer::Bytes(bytes) => return stream.write_all(&bytes).await,
                Answer::Silence(bytes) => {
                    stream.write_all(&bytes).await?;
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Answers with JSON, or hangs with all of the connection.
    async fn http2(&self, stream: TcpStream) -> io::Result<()> {
        let mut connection = h2::server::handshake(stream).await.map_err(io::Error::other)?;
        let hang = Arc::new(Notify::new());
        loop {
            tokio::select! {
                accepted = connection.accept() => {
                    let Some(request) = accepted else { return Ok(()) };
                    let (request, reply) = request.map_err(io::Error::other)?;
                    tokio::spawn(self.clone().stream(request, reply, Arc::clone(&hang)));
                }
                () = hang.notified() => std::future::pending().await,
            }
        }
    }

    /// One question over HTTP/2.
    async fn stream(self, request: Request<RecvStream>, mut reply: SendResponse<Bytes>, hang: Arc<Notify>) {
        let head = format!("{:?} {} {}", request.version(), request.method(), request.uri());
        let mut received = request.into_body();
        let mut body = Vec::new();
        while let Some(part) = received.data().await {
            body.extend_from_slice(&part.unwrap());
        }
        let answer = self.note(Question { head, body: String::from_utf8(body).unwrap() });
        if let Answer::Json(body) = answer {
            let mut sending = reply.send_response(Response::new(()), false).unwrap();
            sending.send_data(body.to_string().into(), true).unwrap();
        } else {
            hang.notify_one();
            // To let go of the reply would send a reset.
            std::future::pending::<()>().await;
        }
    }
}

/// An answer with status 200 and this body; JSON is not called by its name, since nobody looks at that.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    response("200 OK", "Content-Type: text/plain\r\n", body)
}

/// An answer with these headers, each with its line end.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
