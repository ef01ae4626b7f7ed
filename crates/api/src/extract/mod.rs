//! What handlers take out of a request: query parameters, bodies, ids of the path.

pub(crate) mod body;
pub(crate) mod query;
