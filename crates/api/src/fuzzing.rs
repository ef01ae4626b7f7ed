//! What has to be true of every target of a request, and of what names a token, for cargo-fuzz and for the tests that replay what it found.

use actix_web::http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    extract::query::{Query, redacted},
    routes::Route,
};

pub use crate::auth::fuzzing::{introspection, macaroon, token};

/// Routes a path; then the resource that was found by another spelling of its ids.
///
/// # Panics
///
/// When something is not as it has to be.
pub fn path(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let route = Route::of(&text);
    let encoded = |id: &str| utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
    let again = match &route {
        Route::Keys { room, session } => {
            let ids = room.iter().chain(session);
            ids.fold("keys".to_owned(), |path, id| format!("{path}/{}", encoded(id)))
        }
        Route::LatestVersion => "version".to_owned(),
        Route::Version(version) => format!("version/{}", encoded(version)),
        Route::Health | Route::Ready | Route::Metrics => {
            return assert!(["/health", "/ready", "/_synapse/metrics"].contains(&&*text));
        }
        Route::Unknown => return assert!(!route.allows(&Method::GET) && !is_known(&text), "{text}"),
    };
    assert!(is_known(&text), "{text}");
    assert_eq!(Route::of(&format!("/_matrix/client/r0/room_keys/{again}")), route);
    assert!(route.allows(&Method::GET) && route.allows(&Method::HEAD));
}

/// Whether a path is one of ours, found segment by segment.
fn is_known(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    let ["", "_matrix", "client", "r0" | "v3" | "unstable", "room_keys", kind, ids @ ..] = &segments[..]
    else {
        return false;
    };
    let most = match *kind {
        "keys" => 2,
        "version" => 1,
        _ => return false,
    };
    ids.len() <= most && ids.iter().all(|id| !id.is_empty())
}

/// Reads a query as handlers do, and as the log shows it: no token stands there, and all else does.
///
/// # Panics
///
/// When something is not as it has to be.
pub fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let target = format!("/p?{text}");
    let logged = redacted(&target);
    let shown = logged.strip_prefix("/p?").unwrap_or_default();
    if let Some(token) = Query::new(&text).first("access_token") {
        assert_eq!(Query::new(shown).first("access_token").as_deref(), Some(&b"<redacted>"[..]), "{logged}");
        let token = String::from_utf8_lossy(&token).into_owned();
        // What stands there once, and as the value, is nowhere else shown either.
        let is_there_once = text.matches(&token).count() == 1 && text.contains(&format!("={token}"));
        let may_be_ours = "access_token=<redacted>".contains(&token);
        assert!(!is_there_once || may_be_ours || !shown.contains(&token), "{logged}");
    }
    for (part, sent) in shown.split(['&', ';']).zip(text.split(['&', ';'])) {
        let names_token = sent.to_ascii_lowercase().contains("token");
        let is_shown = part == sent && !names_token;
        assert!(is_shown || part.ends_with("<redacted>"), "{part} was {sent}");
    }
    if let Ok((version, Some(number))) = Query::new(&text).version() {
        assert_eq!(number.to_string(), version);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn replay(name: &str, check: fn(&[u8])) {
        let folder = format!("{}/../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
        for file in fs::read_dir(folder).unwrap() {
            check(&fs::read(file.unwrap().path()).unwrap());
        }
    }

    #[test]
    fn what_fuzzing_found_worth_keeping_still_holds() {
        replay("path", path);
        replay("query", query);
        replay("token", token);
        replay("macaroon", macaroon);
        replay("introspection", introspection);
    }
}
