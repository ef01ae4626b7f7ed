//! Which of two keys stays.

use serde_json::json;

use crate::{
    known::Known,
    sequence::{Sequence, get, key, new_version, put, sequence},
    stated::answered,
};

/// (first message index, forwarded count, verified)
type Rank = (i64, i64, bool);

pub(super) fn sequences() -> Vec<Sequence> {
    let agreed = agreed().map(|(name, old, new)| both(name, old, new));
    let disagreed = disagreed().map(|(name, old, new)| only_synapse_replaces(name, old, new));
    [agreed.to_vec(), disagreed.to_vec()].concat()
}

fn both(name: &str, old: Rank, new: Rank) -> Sequence {
    let upload = |rank: Rank| put("keys/!r/s?version=1", &key(rank.0, rank.1, rank.2));
    sequence(name, [new_version(), upload(old), upload(new), get("keys/!r/s?version=1"), get("version")])
}

/// Old and new key where every rule agrees.
fn agreed() -> [(&'static str, Rank, Rank); 10] {
    [
        ("a verified key replaces an unverified one", (0, 0, false), (0, 0, true)),
        ("an unverified key does not replace a verified one", (0, 0, true), (0, 0, false)),
        ("a lower first message index replaces", (2, 0, false), (1, 0, false)),
        ("a higher first message index does not", (1, 0, false), (2, 0, false)),
        ("a lower forwarded count replaces", (1, 1, false), (1, 0, false)),
        ("a higher forwarded count does not", (1, 0, false), (1, 1, false)),
        ("an equal key leaves the old one", (1, 1, true), (1, 1, true)),
        ("negative indexes are lower", (0, 0, false), (-1, -1, false)),
        ("better in all three", (5, 5, false), (1, 1, true)),
        ("worse in all three", (1, 1, true), (5, 5, false)),
    ]
}

/// Synapse replaces a key if the new one is better in any of the three.
fn only_synapse_replaces(name: &str, old: Rank, new: Rank) -> Sequence {
    let key = |rank: Rank| key(rank.0, rank.1, rank.2);
    let upload = |rank: Rank| put("keys/!r/s?version=1", &key(rank));
    let info = |etag: &str| {
        answered(
            200,
            json!({
                "algorithm": "m.test", "auth_data": { "public_key": "k" }, "count": 1, "etag": etag, "version": "1",
            }),
        )
    };
    let stored = |etag: &str| answered(200, json!({ "etag": etag, "count": 1 }));
    sequence(
        name,
        [
            new_version(),
            upload(old),
            upload(new).differs(Known::MergeRule, stored("2"), stored("1")),
            get("keys/!r/s?version=1").differs(
                Known::MergeRule,
                answered(200, key(new)),
                answered(200, key(old)),
            ),
            get("version").differs(Known::MergeRule, info("2"), info("1")),
        ],
    )
}

/// Old and new key where the specification keeps the old one.
fn disagreed() -> [(&'static str, Rank, Rank); 6] {
    [
        ("a verified key stays, though the new one has a lower index", (5, 0, true), (1, 0, false)),
        ("a verified key stays, though the new one has a lower forwarded count", (0, 5, true), (0, 1, false)),
        ("a verified key stays, though the new one has both lower", (5, 5, true), (0, 0, false)),
        ("a lower index stays, though the new one has a lower forwarded count", (1, 5, false), (2, 0, false)),
        (
            "a verified lower index stays, though the new one has a lower forwarded count",
            (1, 5, true),
            (2, 0, true),
        ),
        ("a verified key with a higher count stays against a lower index", (3, 9, true), (2, 9, false)),
    ]
}
