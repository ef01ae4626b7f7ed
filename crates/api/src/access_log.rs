//! One line for each request, when the last byte of its answer has left: Synapse's format, with the figures that the metrics have, too.

use std::{
    fmt::Write,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{ConnectionType, Method, Version},
    web::Bytes,
};
use key_backup_metrics::Work;
use key_backup_traces::RequestSpan;

use crate::{
    Connection, Instance, ListenerContext, auth::Requester, client::Client, extract::query::redacted,
    record::Record,
};

/// What one served request took.
struct Served {
    status: u16,
    /// From the request's head to the answer's last byte.
    time: Duration,
    work: Work,
    /// Of the answer's body.
    bytes: u64,
}

/// One request and its answer, as far as the log tells of them.
pub(crate) struct Exchange {
    instance: Arc<Instance>,
    connection: Option<Connection>,
    record: Rc<Record>,
    servlet: &'static str,
    id: String,
    tag: String,
    client: Rc<Client>,
    scheme: &'static str,
    method: Method,
    target: String,
    protocol: Version,
    started: Instant,
    span: Option<RequestSpan>,
}

impl Exchange {
    /// A request has arrived.
    pub(crate) fn begin(
        instance: Arc<Instance>,
        listener: &ListenerContext,
        request: &HttpRequest,
        servlet: &'static str,
        client: Rc<Client>,
        record: Rc<Record>,
    ) -> Self {
        let header =
            listener.request_id_header.as_ref().and_then(|name| request.headers().get(name)?.to_str().ok());
        let sequence = instance.next_request();
        Self {
            id: format!(
                "{}-{}",
                request.method(),
                header.map_or_else(|| sequence.to_string(), str::to_owned)
            ),
            tag: listener.tag.clone(),
            client,
            scheme: if listener.tls { "https" } else { "http" },
            method: request.method().clone(),
            target: redacted(request.uri().path_and_query().map_or("", |target| target.as_str()))
                .into_owned(),
            protocol: request.version(),
            started: Instant::now(),
            span: None,
            connection: request.conn_data::<Connection>().inspect(|connection| connection.begin()).cloned(),
            instance,
            record,
            servlet,
        }
    }

    /// The request's id, for other lines about it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The request is traced, too.
    pub(crate) fn traced_as(self, span: Option<RequestSpan>) -> Self {
        Self { span, ..self }
    }

    /// Lets the answer leave, and logs it when it has.
    pub(crate) fn finish_with(self, response: HttpResponse) -> HttpResponse<LoggedBody> {
        let mut response = response;
        if self.instance.readiness.is_stopping() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        let status = response.status().as_u16();
        let handled = self.started.elapsed();
        response.map_body(|_, body| LoggedBody {
            body,
            bytes: 0,
            ended: false,
            status,
            handled,
            exchange: self,
        })
    }

    /// The connection is free for the next request, or shall end.
    fn leave_connection(&self) {
        let Some(connection) = &self.connection else { return };
        connection.end();
        if self.instance.readiness.is_stopping() {
            connection.wake();
        }
    }

    fn log(&self, status: u16, handled: Duration, bytes: u64, complete: bool) {
        let served = Served { status, time: self.started.elapsed(), work: self.record.work(), bytes };
        self.record.metrics.served(status, served.time, &served.work, bytes);
        if let Some(span) = &self.span {
            span.answered(status, complete);
        }
        let quiet =
            self.method == Method::OPTIONS || matches!(self.servlet, "HealthResource" | "MetricsResource");
        let line = self.line(&served, handled, complete);
        if quiet {
            self.emit_debug(&line, status);
        } else {
            self.emit_info(&line, status);
        }
    }

    /// Synapse's line, and what this worker adds behind it.
    fn line(&self, served: &Served, handled: Duration, complete: bool) -> String {
        let mut line = format!(
            "{} - {} - {{{}}} Processed request: {:.3}sec/{:.3}sec ru=({:.3}sec, {:.3}sec) db=({:.3}sec/{:.3}sec/{}) {}B {}{} \"{} {} {:?}\" \"{}\" [0 dbevts]",
            self.client.ip,
            self.tag,
            self.requester(),
            handled.as_secs_f64(),
            served.time.saturating_sub(handled).as_secs_f64(),
            served.work.cpu.user.as_secs_f64(),
            served.work.cpu.system.as_secs_f64(),
            served.work.connection_wait.as_secs_f64(),
            served.work.transaction_time.as_secs_f64(),
            served.work.transactions,
            served.bytes,
            served.status,
            if complete { "" } else { "!" },
            self.method,
            self.target,
            self.protocol,
            self.user_agent(),
        );
        for (name, value) in self.record.extra() {
            let _ = write!(line, " {name}={value}");
        }
        line
    }

    fn user_agent(&self) -> &str {
        if self.client.user_agent.is_empty() { "-" } else { &self.client.user_agent }
    }

    fn requester(&self) -> String {
        self.record.requester.get().map_or_else(|| "None".to_owned(), Requester::log_name)
    }
}

/// The two levels have to be written out: the level of an event is part of its static description.
macro_rules! emit {
    ($name:ident, $level:ident) => {
        fn $name(&self, line: &str, status: u16) {
            let record = &self.record;
            let requester = record.requester.get();
            tracing::$level!(
                target: "synapse.access",
                logger = format_args!("synapse.access.{}.{}", self.scheme, self.tag),
                request = self.id,
                ip_address = self.client.ip,
                site_tag = self.tag,
                requester = requester.map(|requester| requester.user.as_str()),
                authenticated_entity = requester.and_then(|requester| requester.puppeteer.as_ref()?.as_str().into()),
                method = self.method.as_str(),
                url = self.target,
                protocol = format_args!("{:?}", self.protocol),
                user_agent = self.user_agent(),
                status = status,
                server_name = self.instance.settings.server_name,
                keys_in = record.keys_in.get(),
                keys_added = record.keys_added.get(),
                keys_replaced = record.keys_replaced.get(),
                keys_deleted = record.keys_deleted.get(),
                rows_out = record.rows_out.get(),
                "{line}"
            );
        }
    };
}

impl Exchange {
    emit!(emit_info, info);
    emit!(emit_debug, debug);
}

/// A body that is logged when its last byte has been taken, or when the client has left.
pub(crate) struct LoggedBody {
    body: BoxBody,
    bytes: u64,
    ended: bool,
    status: u16,
    handled: Duration,
    exchange: Exchange,
}

impl MessageBody for LoggedBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        let next = Pin::new(&mut this.body).poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(chunk))) => {
                this.bytes += chunk.len() as u64;
                this.ended = this.body.size() == BodySize::Sized(this.bytes);
            }
            Poll::Ready(None) => this.ended = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        next
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        let nothing_to_send = matches!(self.body.size(), BodySize::None | BodySize::Sized(0));
        let complete = self.ended || nothing_to_send || self.exchange.method == Method::HEAD;
        self.exchange.log(self.status, self.handled, self.bytes, complete);
        self.exchange.leave_connection();
    }
}
