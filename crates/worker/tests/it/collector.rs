//! A stand-in for a collector of OpenTelemetry: takes `POST /v1/traces`, and keeps what it was sent.

use std::{
    io,
    sync::{Arc, Mutex},
};

use key_backup_testkit::http::Received;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

/// The collector; it ends with the test.
pub(crate) struct Collector {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connections: usize,
    requests: Vec<Received>,
}

impl Collector {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        Self::start_as(true).await
    }

    /// One that reads, and never answers.
    pub(crate) async fn start_silent() -> Self {
        Self::start_as(false).await
    }

    async fn start_as(answers: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: Arc<Mutex<State>> = Arc::default();
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.lock().unwrap().connections += 1;
                tokio::spawn(take(stream, Arc::clone(&accepting), answers));
            }
        });
        Self { port, state }
    }

    /// The YAML that lets a worker export to it.
    pub(crate) fn yaml(&self) -> String {
        format!("key_backup_worker: {{otlp: {{endpoint: '{}'}}}}\n", self.endpoint())
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// All that has come, as text: what is no UTF-8 is replaced.
    pub(crate) fn everything(&self) -> String {
        let state = self.state.lock().unwrap();
        let bodies = state.requests.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned());
        state.requests.iter().map(|request| request.head.clone()).chain(bodies).collect()
    }

    /// The resources of all messages.
    pub(crate) fn resources(&self) -> Vec<Vec<KeyValue>> {
        let messages = self.messages().into_iter();
        messages
            .flat_map(|message| message.resource_spans)
            .filter_map(|spans| Some(spans.resource?.attributes))
            .collect()
    }

    /// All spans.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let resources = self.messages().into_iter().flat_map(|message| message.resource_spans);
        resources.flat_map(|spans| spans.scope_spans).flat_map(|spans| spans.spans).collect()
    }

    fn messages(&self) -> Vec<ExportTraceServiceRequest> {
        let state = self.state.lock().unwrap();
        let decode = |request: &Received| ExportTraceServiceRequest::decode(&*request.body).unwrap();
        state.requests.iter().map(decode).collect()
    }
}

/// The value of an attribute as text.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == name)?.value.clone()?.value?;
    match value {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

async fn take(mut stream: TcpStream, state: Arc<Mutex<State>>, answers: bool) -> io::Result<()> {
    loop {
        let request = Received::read(&mut stream).await?;
        state.lock().unwrap().requests.push(request);
        if !answers {
            std::future::pending::<()>().await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
    }
}
