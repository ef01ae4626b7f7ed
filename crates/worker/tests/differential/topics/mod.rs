//! All sequences, by what they are about.

mod accounts;
mod auth_data;
mod bodies;
mod crosswise;
mod deletions;
mod http;
mod malformed;
mod merge;
mod order;
mod paths;
mod queries;
mod restores;
mod routes;
mod session_data;
mod spellings;
mod tokens;
mod unstorable;
mod uploads;
mod versions;
mod wire;

use super::sequence::Sequence;

/// Every sequence.
pub(crate) fn sequences() -> Vec<Sequence> {
    [
        accounts::sequences(),
        auth_data::sequences(),
        bodies::sequences(),
        crosswise::sequences(),
        deletions::sequences(),
        http::sequences(),
        malformed::sequences(),
        merge::sequences(),
        order::sequences(),
        paths::sequences(),
        queries::sequences(),
        restores::sequences(),
        routes::sequences(),
        session_data::sequences(),
        spellings::sequences(),
        tokens::sequences(),
        unstorable::sequences(),
        uploads::sequences(),
        versions::sequences(),
        wire::sequences(),
    ]
    .concat()
}
