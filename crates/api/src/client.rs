//! Who is at the other end of the connection, as Synapse tells it.

use actix_web::{
    HttpRequest,
    http::header::{HeaderName, USER_AGENT},
};

use crate::{BoundTo, Connection, ListenerContext};

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// The address: behind a proxy the first of `X-Forwarded-For`, unchecked, as Synapse takes it; else that of the connection, or the
    /// path of the Unix socket.
    pub(crate) ip: String,
    /// The User-Agent as far as it is text; empty if there is none.
    pub(crate) user_agent: String,
}

impl Client {
    pub(crate) fn of(request: &HttpRequest, listener: &ListenerContext) -> Self {
        let user_agent = request.headers().get(USER_AGENT);
        let user_agent = user_agent.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self { ip: ip(request, listener), user_agent: user_agent.unwrap_or_default() }
    }
}

fn ip(request: &HttpRequest, listener: &ListenerContext) -> String {
    let forwarded = HeaderName::from_static("x-forwarded-for");
    let forwarded = request.headers().get(forwarded).filter(|_| listener.x_forwarded);
    // A value that is not ASCII is no address; Synapse drops the connection over it.
    if let Some(first) = forwarded.and_then(|value| value.to_str().ok()?.split(',').next()) {
        return first.trim().to_owned();
    }
    match (request.peer_addr(), request.conn_data::<Connection>().map(Connection::bound)) {
        (Some(peer), _) => peer.ip().to_canonical().to_string(),
        (None, Some(BoundTo::Unix(path))) => path.display().to_string(),
        (None, _) => String::new(),
    }
}
