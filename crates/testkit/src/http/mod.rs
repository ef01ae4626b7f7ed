//! A small HTTP/1.1 client for tests, with a say over every byte that it sends and nothing tidied away in what it receives; and
//! how a stand-in for a server reads a request.

mod body;
mod client;
mod connection;
mod received;
mod request;
mod response;

pub use client::Client;
pub use connection::{Address, Connection};
pub use received::Received;
pub use request::Request;
pub use response::{Head, Response};
