//! A small HTTP/1.1 client for tests, with a say over every byte that it sends and nothing tidied away in what it receives.

mod body;
mod client;
mod connection;
mod request;
mod response;

pub use client::Client;
pub use connection::{Address, Connection};
pub use request::Request;
pub use response::{Head, Response};
