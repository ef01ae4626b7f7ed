use key_backup_model::UserId;
use proptest::{
    prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest},
    sample::{Index, select},
};

use super::*;

#[test]
fn a_logout_names_the_token() {
    let line = r#"RDATA caches master 53 ["get_user_by_access_token", ["syt_x"], 1700000000000]"#;
    let invalidation = Some(Invalidation::Token("syt_x".to_owned()));
    assert_eq!(Line::parse(line), Line::CachesRow { instance: "master", token: Some(53), invalidation });
}

#[test]
fn rows_of_a_batch_have_no_token_yet() {
    let line = r#"RDATA caches worker1 batch ["get_device", ["@u:s", "D"], 1]"#;
    let invalidation = Some(Invalidation::User(UserId::new("@u:s").unwrap()));
    assert_eq!(Line::parse(line), Line::CachesRow { instance: "worker1", token: None, invalidation });
}

#[test]
fn null_for_keys_means_everything() {
    let line = r#"RDATA caches master 1 ["is_guest", null, 1]"#;
    let invalidation = Some(Invalidation::Everything);
    assert_eq!(Line::parse(line), Line::CachesRow { instance: "master", token: Some(1), invalidation });
}

#[test]
fn a_position_tells_between_which_tokens_nothing_was_written() {
    let position = Line::CachesPosition { instance: "master", previous: 53, new: 55 };
    assert_eq!(Line::parse("POSITION caches master 53 55"), position);
}

#[test]
fn other_lines_are_only_counted() {
    for (line, command) in [
        ("REPLICATE ", "REPLICATE"),
        ("REPLICATE", "REPLICATE"),
        ("RDATA events master 5 []", "RDATA"),
        ("POSITION caches master x", "POSITION"),
        ("NEW_COMMAND with words", "NEW_COMMAND"),
        ("", ""),
    ] {
        assert_eq!(Line::parse(line), Line::Other(command), "{line:?}");
    }
}

#[test]
fn a_row_of_caches_that_cannot_be_read_is_not_just_another_line() {
    for line in [
        "RDATA caches",
        "RDATA caches master",
        "RDATA caches master x []",
        "RDATA caches master 1 {",
        "RDATA caches m 1 [1]",
    ] {
        assert_eq!(Line::parse(line), Line::UnreadableCachesRow, "{line:?}");
    }
}

/// Lines as they are heard in a deployment.
const HEARD: [&str; 8] = [
    r#"RDATA caches master 53 ["get_user_by_access_token", ["syt_YWxpY2U_x"], 1700000000000]"#,
    r#"RDATA caches generic_worker1 batch ["get_device", ["@alice:example.com", "DEVICE"], 1700000000000]"#,
    r#"RDATA caches master 54 ["is_guest", null, 1700000000000]"#,
    r#"RDATA device_lists master 9 ["@alice:example.com", false, false]"#,
    "POSITION caches master 53 55",
    "REPLICATE ",
    r#"USER_IP @alice:example.com ["syt_YWxpY2U_x", "192.0.2.1", "Element", null, 1700000000000]"#,
    "REMOTE_SERVER_UP example.org",
];

/// A line with a part of it replaced, which may be empty, by something, which may be empty.
fn damaged() -> impl Strategy<Value = String> {
    (select(HEARD.as_slice()), any::<(Index, Index)>(), "\\PC{0,4}").prop_map(|(line, (from, to), new)| {
        let (from, to) = (from.index(line.len() + 1), to.index(line.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        format!("{}{new}{}", &line[..from], &line[to..])
    })
}

proptest! {
    #[test]
    fn any_text_is_a_line(text in any::<String>()) {
        let line = Line::parse(&text);
        prop_assert!(text.starts_with(line.command()));
    }

    #[test]
    fn a_damaged_line_is_a_line_and_a_damaged_row_of_caches_never_passes_unnoticed(text in damaged()) {
        let line = Line::parse(&text);
        prop_assert!(text.starts_with(line.command()));
        prop_assert_eq!(text.starts_with("RDATA caches "), is_row_of_caches(&line), "{:?}", text);
    }

    #[test]
    fn any_token_is_read_back(token in any::<String>(), position in any::<i64>(), instance in "[a-z0-9_]{1,9}") {
        let row = serde_json::json!(["get_user_by_access_token", [token], 1]);
        let text = format!("RDATA caches {instance} {position} {row}");
        let expected = Line::CachesRow {
            instance: &instance,
            token: Some(position),
            invalidation: Some(Invalidation::Token(token)),
        };
        prop_assert_eq!(Line::parse(&text), expected);
    }
}

fn is_row_of_caches(line: &Line<'_>) -> bool {
    matches!(line, Line::CachesRow { .. } | Line::UnreadableCachesRow)
}
