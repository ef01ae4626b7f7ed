//! The statements of restores.

use crate::database::Query;

/// A page of large keys ends with the one that brings its `session_data` to so many bytes.
pub(super) const PAGE_BYTES: usize = 2 << 20;

/// The statements of pages.
pub(super) struct Pages {
    pub(super) first: Query,
    pub(super) next: Query,
    pub(super) first_of_room: Query,
    pub(super) next_of_room: Query,
}

/// The first page has a statement of its own because nothing is smaller than every id: the empty string is one, too.
macro_rules! pages {
    ($keys:ident) => {
        Pages {
            first: page!($keys!("")),
            next: page!($keys!("AND (room_id, session_id) > ($4, $5)")),
            first_of_room: page!($keys!("AND room_id = $4")),
            next_of_room: page!($keys!("AND room_id = $4 AND session_id > $5")),
        }
    };
}

/// The version is part of each page's statement: a page of a version that vanished has no row at all, not even the
/// one without a key by which an empty page of an existing version shows.
macro_rules! page {
    ($keys:expr) => {
        Query {
            desc: "get_e2e_room_keys",
            verb: "SELECT",
            sql: concat!(
                "SELECT k.* FROM e2e_room_keys_versions v LEFT JOIN LATERAL (",
                $keys,
                ") k ON true WHERE v.user_id = $1 AND v.version = $2 AND v.deleted = 0"
            ),
        }
    };
}

macro_rules! ordered {
    ($session_data:literal, $filter:literal) => {
        concat!(
            "SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, ",
            $session_data,
            " FROM e2e_room_keys WHERE user_id = $1 AND version = $2 ",
            $filter,
            " ORDER BY room_id, session_id LIMIT $3"
        )
    };
}

/// Keys of ordinary size. Of a large one `session_data` is left out: the page ends before it.
macro_rules! ordinary {
    ($filter:literal) => {
        ordered!("CASE WHEN octet_length(session_data) <= 2048 THEN session_data END", $filter)
    };
}

/// Keys of any size, up to the one that brings the page to `PAGE_BYTES`. PostgreSQL knows the length of what it has put aside
/// without reading it. The sum costs it a quarter more for a page, so that it is left to those who need it.
macro_rules! large {
    ($filter:literal) => {
        concat!(
            "SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data FROM (
                SELECT *, sum(octet_length(session_data))
                              OVER (ORDER BY room_id, session_id ROWS UNBOUNDED PRECEDING) AS bytes
                  FROM (",
            ordered!("session_data", $filter),
            ") AS keys) AS keys WHERE bytes - octet_length(session_data) < 2097152"
        )
    };
}

pub(super) const PAGES: Pages = pages!(ordinary);
pub(super) const LARGE_PAGES: Pages = pages!(large);

/// What `Database::all_keys` visits at the most.
pub(super) const AT_ONCE: u32 = 12_288;

/// In the order in which the table has them, which costs PostgreSQL half of what the order of an index does. The limit, one more than
/// [`AT_ONCE`], is no parameter: PostgreSQL would take one that it does not know for a reason to prefer the index.
pub(super) const ALL: Query = Query {
    desc: "get_e2e_room_keys",
    verb: "SELECT",
    sql: "SELECT k.room_id, k.session_id, k.first_message_index, k.forwarded_count, k.is_verified,
                 CASE WHEN octet_length(k.session_data) <= 2048 THEN k.session_data END
            FROM e2e_room_keys_versions v
            LEFT JOIN e2e_room_keys k ON k.user_id = v.user_id AND k.version = v.version
           WHERE v.user_id = $1 AND v.version = $2 AND v.deleted = 0
           LIMIT 12289",
};
