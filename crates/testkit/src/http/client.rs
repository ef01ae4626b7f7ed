//! The short way for requests that need nothing special.

use anyhow::Result;
use serde_json::Value;

use super::{Address, Connection, Request, Response};

/// Sends each request over a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    address: Address,
    access_token: Option<String>,
}

impl Client {
    /// A client without a token.
    pub fn new(address: Address) -> Self {
        Self { address, access_token: None }
    }

    /// The same client with this token.
    #[must_use]
    pub fn as_user(&self, access_token: &str) -> Self {
        Self { address: self.address.clone(), access_token: Some(access_token.to_owned()) }
    }

    /// Where it sends to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// GET.
    ///
    /// # Errors
    ///
    /// When there is no whole answer. A status is never an error.
    pub async fn get(&self, target: &str) -> Result<Response> {
        self.send(Request::new("GET", target)).await
    }

    /// PUT of JSON.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub async fn put(&self, target: &str, body: &Value) -> Result<Response> {
        self.send(Request::new("PUT", target).json(body)).await
    }

    /// POST of JSON.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub async fn post(&self, target: &str, body: &Value) -> Result<Response> {
        self.send(Request::new("POST", target).json(body)).await
    }

    /// DELETE.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub async fn delete(&self, target: &str) -> Result<Response> {
        self.send(Request::new("DELETE", target)).await
    }

    /// Any request, with the client's token added.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub async fn send(&self, request: Request) -> Result<Response> {
        let request = match &self.access_token {
            Some(token) => request.bearer(token),
            None => request,
        };
        Connection::open(&self.address).await?.request(&request).await
    }
}
