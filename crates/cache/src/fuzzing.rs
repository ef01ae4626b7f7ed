//! What has to be true of every line of replication, for cargo-fuzz and for the test that replays what it found.

use serde_json::Value;

use crate::{CACHE_FUNCTIONS, Line};

/// Reads a line, and looks for what it means in another way.
///
/// # Panics
///
/// When something is not as it has to be.
pub fn replication_line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = Line::parse(&text);
    let words: Vec<&str> = text.splitn(5, ' ').collect();
    assert_eq!(line.command(), words[0]);
    match (&line, &words[..]) {
        (Line::CachesRow { instance, token, invalidation }, ["RDATA", "caches", process, place, row]) => {
            assert_eq!(instance, process);
            assert_eq!(token.is_none(), *place == "batch");
            let row: Value = serde_json::from_str(row).unwrap_or_default();
            let concerns_us = row[0].as_str().is_some_and(|name| CACHE_FUNCTIONS.contains(&name));
            assert_eq!(invalidation.is_some(), concerns_us, "{text}");
        }
        (Line::CachesPosition { instance, previous, new }, ["POSITION", "caches", process, from, to]) => {
            let to = to.split(' ').next().and_then(|to| to.parse().ok());
            assert_eq!((*instance, Some(*previous), Some(*new)), (*process, from.parse().ok(), to));
        }
        // What it would have dropped is unknown, so that everything has to be.
        (Line::UnreadableCachesRow, ["RDATA", "caches", rest @ ..]) => {
            let row = rest.get(2).and_then(|row| serde_json::from_str::<Value>(row).ok());
            let is_named = row.is_some_and(|row| row[0].is_string());
            let is_placed =
                rest.get(1).is_some_and(|token| *token == "batch" || token.parse::<i64>().is_ok());
            assert!(!(is_named && is_placed), "a good row was not read: {text}");
        }
        (Line::Other(_), ["RDATA", "caches", ..]) => panic!("a row of caches was passed over: {text}"),
        (Line::Other(_), _) => {}
        (line, _) => panic!("{line:?} was read from {text}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn what_fuzzing_found_worth_keeping_is_still_read_right() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/replication_line");
        for file in fs::read_dir(corpus).unwrap() {
            super::replication_line(&fs::read(file.unwrap().path()).unwrap());
        }
    }
}
