//! Query strings.

use crate::sequence::{Sequence, delete, get, key, new_version, one_key, put, sequence};

pub(super) fn sequences() -> Vec<Sequence> {
    [spelling(), missing(), unknown_versions()].concat()
}

fn spelling() -> Vec<Sequence> {
    let table: [(&str, &[&str]); 6] = [
        (
            "the first value of a repeated parameter counts",
            &["version=1&version=2", "version=2&version=1", "version=&version=1"],
        ),
        (
            "a semicolon separates parameters",
            &["a=b;version=1", "version=1;version=2", "version=1;", ";;version=1"],
        ),
        ("names and values are decoded", &["v%65rsion=1", "version=%31", "version=1%26x", "version=%3d1"]),
        ("names are case-sensitive", &["Version=1", "VERSION=1", "version[]=1", "version%20=1"]),
        ("a plus is a space", &["version+=1", "a=+&version=1", "a+b&version=1"]),
        (
            "empty parts are skipped",
            &["&&version=1&&", "=&version=1", "?version=1", "version==1", "version=1=2", "%zz&version=1"],
        ),
    ];
    let sequences = table.map(|(name, queries)| {
        let reads = queries.iter().map(|query| get(&format!("keys?{query}")));
        sequence(
            name,
            [new_version(), put("keys?version=1", &one_key(&key(0, 0, false)))].into_iter().chain(reads),
        )
    });
    sequences.to_vec()
}

fn missing() -> Vec<Sequence> {
    let table: [(&str, &str); 5] = [
        ("a version that is not given is missing", "keys"),
        ("an empty query string has no version", "keys?"),
        ("a name without an equals sign is not there", "keys?version"),
        ("an empty version is unknown", "keys?version="),
        ("a version that is not ASCII is a client's error", "keys?version=%C3%A9"),
    ];
    table
        .map(|(name, target)| {
            let upload = put(target, &one_key(&key(0, 0, false)));
            let room = target.replacen("keys", "keys/!r", 1);
            let session = target.replacen("keys", "keys/!r/s", 1);
            sequence(
                name,
                [
                    new_version(),
                    get(target),
                    upload,
                    delete(target),
                    get(&room),
                    get(&session),
                    delete(&room),
                ],
            )
        })
        .to_vec()
}

fn unknown_versions() -> Vec<Sequence> {
    ["2", "0", "-1", "x", "1.0", "1e0", "99999999999999999999", "9223372036854775808", "%FF", "1%0A1"]
        .map(|version| {
            let target = format!("keys?version={version}");
            let upload = put(&target, &one_key(&key(0, 0, false)));
            let name = format!("{version} names no version in a query");
            sequence(&name, [new_version(), get(&target), upload, delete(&target), get("keys?version=1")])
        })
        .to_vec()
}
