//! The routes and `docs/openapi.yaml` say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const DESCRIPTION: &str = include_str!("../../../../docs/openapi.yaml");

/// The methods under each path. The file is ours, so that its indentation tells what is a path and what a method.
fn described() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut paths = BTreeMap::<_, BTreeSet<_>>::new();
    let mut path = "";
    let lines = DESCRIPTION.lines().skip_while(|line| *line != "paths:").skip(1);
    for line in lines.take_while(|line| line.starts_with(' ')) {
        let indentation = line.len() - line.trim_start().len();
        let (name, _) = line.trim().split_once(':').unwrap_or_default();
        match (indentation, name) {
            (2, _) => path = name,
            (4, "get" | "head" | "put" | "post" | "delete" | "patch" | "options") => {
                paths.entry(path).or_default().insert(name);
            }
            _ => {}
        }
    }
    paths
}

const PREFIX: &str = "/_matrix/client/{prefix}/room_keys";

/// The path under which a resource is described. A new resource has to be added here, and with that to the description.
fn template(route: &Route) -> Option<String> {
    let rest = match route {
        Route::Keys { room: None, .. } => "/keys",
        Route::Keys { session: None, .. } => "/keys/{roomId}",
        Route::Keys { .. } => "/keys/{roomId}/{sessionId}",
        Route::LatestVersion => "/version",
        Route::Version(_) => "/version/{version}",
        Route::Health => return Some("/health".to_owned()),
        Route::Ready => return Some("/ready".to_owned()),
        Route::Metrics => return Some("/_synapse/metrics".to_owned()),
        Route::Unknown => return None,
    };
    Some(format!("{PREFIX}{rest}"))
}

#[test]
fn every_path_that_is_described_is_served_with_just_the_methods_that_are_described() {
    let described = described();
    assert_eq!(described.len(), 8);
    for (path, described) in described {
        let route = Route::of(&path.replace("{prefix}", "v3").replace(['{', '}'], ""));
        assert_eq!(template(&route).as_deref(), Some(path));
        let methods = ["get", "head", "put", "post", "delete", "patch"]
            .into_iter()
            .filter(|name| route.allows(&Method::from_bytes(name.to_uppercase().as_bytes()).unwrap()));
        assert_eq!(described, methods.chain(["options"]).collect(), "{path}");
    }
}

#[test]
fn every_resource_that_is_served_is_described() {
    let described = described();
    for path in [
        "/_matrix/client/v3/room_keys/keys",
        "/_matrix/client/v3/room_keys/keys/!r",
        "/_matrix/client/v3/room_keys/keys/!r/s",
        "/_matrix/client/v3/room_keys/version",
        "/_matrix/client/v3/room_keys/version/1",
        "/health",
        "/ready",
        "/_synapse/metrics",
    ] {
        let template = template(&Route::of(path));
        assert!(template.is_some_and(|template| described.contains_key(&*template)), "{path}");
    }
    for prefix in ["r0", "v3", "unstable"] {
        let is_described = DESCRIPTION.contains("enum: [v3, r0, unstable]");
        assert!(
            is_described && Route::of(&format!("/_matrix/client/{prefix}/room_keys/keys")) != Route::Unknown
        );
    }
}
