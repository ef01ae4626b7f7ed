//! Sends what ruma builds, and lets ruma read what comes back.

use std::{borrow::Cow, collections::BTreeSet};

use key_backup_testkit::http::{Address, Connection, Request, Response};
use ruma_common::api::{
    IncomingResponseExt as _, MatrixVersion, OutgoingRequest, OutgoingRequestExt as _, SupportedVersions,
    auth_scheme::{AccessToken, SendAccessToken},
    error::{Error, ErrorKind, FromHttpResponseError},
    path_builder::VersionHistory,
};

/// The answer to a request of type `R`.
type Answer<R> = Result<<R as OutgoingRequest>::IncomingResponse, Error>;

/// A client of the worker with a user's token.
pub(crate) struct Client {
    address: Address,
    access_token: String,
}

impl Client {
    pub(crate) fn new(address: Address, access_token: String) -> Self {
        Self { address, access_token }
    }

    /// The same with another token.
    pub(crate) fn with_token(&self, access_token: &str) -> Self {
        Self::new(self.address.clone(), access_token.to_owned())
    }

    /// Sends a request, as clients do to a server of version 1.1 of the specification or later.
    pub(crate) async fn send<R>(&self, request: R) -> Answer<R>
    where
        R: OutgoingRequest<Authentication = AccessToken, PathBuilder = VersionHistory, EndpointError = Error>,
    {
        let versions =
            SupportedVersions { versions: [MatrixVersion::V1_11].into(), features: BTreeSet::new() };
        self.send_to(request, versions).await
    }

    /// Sends a request as to a server of these versions.
    pub(crate) async fn send_to<R>(&self, request: R, versions: SupportedVersions) -> Answer<R>
    where
        R: OutgoingRequest<Authentication = AccessToken, PathBuilder = VersionHistory, EndpointError = Error>,
    {
        let token = SendAccessToken::IfRequired(&self.access_token);
        let request: http::Request<Vec<u8>> =
            request.try_into_http_request("http://example.com", token, Cow::Owned(versions)).unwrap();
        let mut connection = Connection::open(&self.address).await.unwrap();
        let answer = connection.request(&on_the_wire(&request)).await.unwrap();
        match R::IncomingResponse::try_from_http_response(from_the_wire(&answer)) {
            Ok(answer) => Ok(answer),
            Err(FromHttpResponseError::Server(error)) => Err(error),
            Err(error) => panic!("ruma cannot read {}: {error}", answer.text()),
        }
    }
}

/// Status and kind of an error; ruma has read all fields that this kind needs.
pub(crate) fn kind(error: &Error) -> (u16, &ErrorKind) {
    let kind = error.error_kind().unwrap_or_else(|| panic!("no Matrix error: {error}"));
    (error.status_code.as_u16(), kind)
}

fn on_the_wire(request: &http::Request<Vec<u8>>) -> Request {
    let target = request.uri().path_and_query().unwrap().as_str();
    let mut sent = Request::new(request.method().as_str(), target);
    for (name, value) in request.headers() {
        sent = sent.header(name.as_str(), value);
    }
    if request.body().is_empty() { sent } else { sent.body(request.body().clone()) }
}

fn from_the_wire(answer: &Response) -> http::Response<&[u8]> {
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in &answer.head.headers {
        response = response.header(name, value);
    }
    response.body(answer.body.as_slice()).unwrap()
}
