//! The Matrix key backup API over HTTP.
