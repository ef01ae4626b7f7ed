//! The one list of routes: which raw path is which resource, and which methods it takes.
//!
//! Paths are matched as Synapse matches them: split at `/` while still encoded, each segment decoded afterwards. So `%2F` in a
//! session id stays in its segment, `+` is a plus, and `%6Beys` is not `keys`.

use actix_web::http::Method;
use percent_encoding::percent_decode_str;

/// A resource of the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/room_keys/keys`, `/room_keys/keys/{roomId}`, `/room_keys/keys/{roomId}/{sessionId}`.
    Keys { room: Option<String>, session: Option<String> },
    /// `/room_keys/version`.
    LatestVersion,
    /// `/room_keys/version/{version}`.
    Version(String),
    /// `/health`.
    Health,
    /// `/ready`.
    Ready,
    /// `/_synapse/metrics`.
    Metrics,
    /// Anything else.
    Unknown,
}

impl Route {
    /// Finds the resource of a path that is still percent-encoded.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            "/health" => return Self::Health,
            "/ready" => return Self::Ready,
            "/_synapse/metrics" => return Self::Metrics,
            _ => {}
        }
        let Some(segments) = room_keys_segments(path) else { return Self::Unknown };
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        match segments[..] {
            ["version"] => Self::LatestVersion,
            ["version", version] => Self::Version(decoded(version)),
            ["keys"] => Self::Keys { room: None, session: None },
            ["keys", room] => Self::Keys { room: Some(decoded(room)), session: None },
            ["keys", room, session] => {
                Self::Keys { room: Some(decoded(room)), session: Some(decoded(session)) }
            }
            _ => Self::Unknown,
        }
    }

    /// The methods of the resource, as the header `Allow` lists them. `HEAD` is `GET` everywhere, `OPTIONS` is answered for every path.
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Self::Keys { .. } | Self::Version(_) => "GET, HEAD, PUT, DELETE, OPTIONS",
            Self::LatestVersion => "GET, HEAD, POST, OPTIONS",
            Self::Health | Self::Ready | Self::Metrics => "GET, HEAD, OPTIONS",
            Self::Unknown => "OPTIONS",
        }
    }

    /// Whether the resource has this method.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        self.methods().split(", ").any(|name| name == method.as_str())
    }

    /// What the method does to the resource, in a word for metrics; `None` where that is no operation of a key backup.
    pub(crate) fn operation(&self, method: &Method) -> Option<&'static str> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        if !self.allows(method) {
            return None;
        }
        let [get, put, post_or_delete] = match self {
            Self::Keys { room: None, .. } => ["get_keys", "put_keys", "delete_keys"],
            Self::Keys { session: None, .. } => ["get_room_keys", "put_room_keys", "delete_room_keys"],
            Self::Keys { .. } => ["get_key", "put_key", "delete_key"],
            Self::LatestVersion => ["get_latest_version", "", "create_version"],
            Self::Version(_) => ["get_version", "put_version", "delete_version"],
            Self::Health | Self::Ready | Self::Metrics | Self::Unknown => return None,
        };
        Some(match *method {
            Method::GET => get,
            Method::PUT => put,
            _ => post_or_delete,
        })
    }

    /// The pattern of its paths, for traces. The release is one for all of those that are served; `None` where nothing is.
    pub(crate) fn pattern(&self) -> Option<&'static str> {
        Some(match self {
            Self::Keys { room: None, .. } => "/_matrix/client/v3/room_keys/keys",
            Self::Keys { session: None, .. } => "/_matrix/client/v3/room_keys/keys/{roomId}",
            Self::Keys { .. } => "/_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}",
            Self::LatestVersion => "/_matrix/client/v3/room_keys/version",
            Self::Version(_) => "/_matrix/client/v3/room_keys/version/{version}",
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Metrics => "/_synapse/metrics",
            Self::Unknown => return None,
        })
    }

    /// Synapse's name for the group of endpoints, as it stands in metrics.
    pub(crate) fn servlet(&self, method: &Method) -> &'static str {
        if method == Method::OPTIONS {
            return "OptionsResource";
        }
        match self {
            Self::Keys { .. } => "RoomKeysServlet",
            Self::LatestVersion => "RoomKeysNewVersionServlet",
            Self::Version(_) => "RoomKeysVersionServlet",
            Self::Health | Self::Ready => "HealthResource",
            Self::Metrics => "MetricsResource",
            Self::Unknown => "ClientRestResource",
        }
    }
}

/// The method as the label of a metric. Clients may invent methods, and each label is kept for ever.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The segments after `/_matrix/client/{prefix}/room_keys/`, none of them empty.
fn room_keys_segments(path: &str) -> Option<Vec<&str>> {
    let (prefix, rest) = path.strip_prefix("/_matrix/client/")?.split_once("/room_keys/")?;
    let segments: Vec<&str> = rest.split('/').collect();
    let known =
        matches!(prefix, "r0" | "v3" | "unstable") && segments.iter().all(|segment| !segment.is_empty());
    known.then_some(segments)
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, RngSeed},
    };

    use super::*;

    fn keys(room: &str, session: Option<&str>) -> Route {
        Route::Keys { room: Some(room.to_owned()), session: session.map(str::to_owned) }
    }

    fn route(rest: &str) -> Route {
        Route::of(&format!("/_matrix/client/v3/room_keys/{rest}"))
    }

    #[test]
    fn every_resource_is_found_under_the_three_prefixes() {
        for prefix in ["r0", "v3", "unstable"] {
            let route = |rest: &str| Route::of(&format!("/_matrix/client/{prefix}/room_keys/{rest}"));
            assert_eq!(route("version"), Route::LatestVersion);
            assert_eq!(route("version/1"), Route::Version("1".to_owned()));
            assert_eq!(route("keys"), Route::Keys { room: None, session: None });
            assert_eq!(route("keys/!r:x"), keys("!r:x", None));
            assert_eq!(route("keys/!r:x/s"), keys("!r:x", Some("s")));
        }
    }

    #[test]
    fn segments_are_split_before_they_are_decoded() {
        assert_eq!(route("keys/%21r%3Ax/a%2Fb+c%2B"), keys("!r:x", Some("a/b+c+")));
        assert_eq!(route("keys/%zz/%ff"), keys("%zz", Some("\u{fffd}")));
        assert_eq!(route("keys/../."), keys("..", Some(".")));
    }

    #[test]
    fn other_paths_are_unknown() {
        for path in [
            "/_matrix/client/v1/room_keys/version",
            "/_matrix/client/api/v1/room_keys/version",
            "/_matrix/client/v3/room_keys/",
            "/_matrix/client/v3/room_keys/keys/",
            "/_matrix/client/v3/room_keys/keys//s",
            "/_matrix/client/v3/room_keys/keys/r/s/",
            "/_matrix/client/v3/room_keys/keys/r/s/t",
            "/_matrix/client/v3/room_keys/%6Beys",
            "/_matrix/client/v3/room_keys/Keys",
            "/_matrix/client/v3//room_keys/keys",
            "/health/",
            "/",
        ] {
            assert_eq!(Route::of(path), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn a_method_in_lower_case_is_another_method() {
        let lower = Method::from_bytes(b"get").unwrap();
        assert!(!route("version").allows(&lower));
        assert!(route("version").allows(&Method::POST) && !route("version").allows(&Method::PUT));
    }

    /// A segment, decoded and in one of its spellings: any byte may be escaped, in either case, and some have to be.
    fn segment() -> impl Strategy<Value = (String, String)> {
        let character =
            prop_oneof![any::<char>(), proptest::char::range('!', '~'), Just('/'), Just('%'), Just('+')];
        vec((character, 0..4_u8), 1..20).prop_map(|characters| {
            let (mut decoded, mut encoded) = (String::new(), String::new());
            for (character, spelling) in characters {
                decoded.push(character);
                if spelling > 1 && character.is_ascii_graphic() && !"/%?#".contains(character) {
                    encoded.push(character);
                    continue;
                }
                for byte in character.to_string().bytes() {
                    let escape = if spelling == 0 { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
                    encoded.push_str(&escape);
                }
            }
            (decoded, encoded)
        })
    }

    /// The same cases in every run, unless `PROPTEST_RNG_SEED` names others.
    fn config() -> Config {
        let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
        let seed = if config.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { config.rng_seed };
        Config { rng_seed: seed, ..config }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn every_id_comes_back_from_every_spelling(room in segment(), session in segment()) {
            let path = format!("keys/{}/{}", room.1, session.1);
            prop_assert_eq!(route(&path), keys(&room.0, Some(&session.0)));
            prop_assert_eq!(route(&format!("version/{}", room.1)), Route::Version(room.0));
        }

        #[test]
        fn no_path_makes_it_panic(path in any::<String>()) {
            let _ = (Route::of(&path), route(&path), route(&format!("keys/{path}")));
        }
    }
}

#[cfg(test)]
mod described;
