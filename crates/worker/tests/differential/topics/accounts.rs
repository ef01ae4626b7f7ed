//! Who may enter.

use serde_json::json;

use crate::sequence::{Sequence, Step, get, new_version, on_main, post, put, sequence, sql};

pub(super) fn sequences() -> Vec<Sequence> {
    [times(), uses(), users(), ends()].concat()
}

fn set_user(assignment: &str) -> Step {
    sql(&format!("UPDATE users SET {assignment} WHERE name = '{{user}}'"))
}

fn set_token(assignment: &str) -> Step {
    sql(&format!("UPDATE access_tokens SET {assignment} WHERE token = '{{token}}'"))
}

fn used(used: bool) -> Step {
    sql(&format!(
        "DO $$ BEGIN ASSERT (SELECT used = {used} FROM access_tokens WHERE token = '{{token}}'); END $$"
    ))
}

fn times() -> Vec<Sequence> {
    vec![
        sequence(
            "a token past its time may be refreshed",
            [set_token("valid_until_ms = 1"), get("version"), used(false)],
        ),
        sequence(
            "a token before its time lets in",
            [set_token("valid_until_ms = 99999999999999"), get("version")],
        ),
        sequence(
            "a puppet's backup is that of the puppet",
            [
                set_token("user_id = '@root:example.com', puppets_user_id = '{user}', device_id = NULL"),
                new_version(),
                get("version"),
                sql("DO $$ BEGIN ASSERT EXISTS (
                       SELECT FROM e2e_room_keys_versions WHERE user_id = '{user}'); END $$"),
            ],
        ),
        sequence("a token without a device lets in", [set_token("device_id = NULL"), get("version")]),
        sequence(
            "user_id and device_id mean nothing with a user's token",
            [
                get("version?user_id=@root:example.com"),
                get("version?device_id=NONE"),
                get("version?org.matrix.msc3202.device_id="),
            ],
        ),
    ]
}

/// Whether `access_tokens.used` is set.
fn uses() -> Vec<Sequence> {
    vec![
        sequence(
            "the first use of a token is noted",
            [used(false), get("version"), used(true), get("version"), used(true)],
        ),
        sequence(
            "a refused token is not used",
            [get("version?access_token={token}x").without_token(), used(false)],
        ),
        sequence(
            "a request that fails later has used the token",
            [put("keys?version=1", &json!({ "rooms": {} })), used(true)],
        ),
    ]
}

fn users() -> Vec<Sequence> {
    vec![
        sequence("a locked account is told so", [set_user("locked = true"), get("version"), new_version()]),
        sequence(
            "an expired token of a locked account is expired",
            [set_user("locked = true"), set_token("valid_until_ms = 1"), get("version")],
        ),
        sequence(
            "a guest has no backup",
            [set_user("is_guest = 1"), get("version"), new_version(), get("keys")],
        ),
        sequence("a locked guest is locked", [set_user("is_guest = 1, locked = true"), get("version")]),
        sequence(
            "a suspended user may use the backup",
            [set_user("suspended = true"), new_version(), get("version")],
        ),
        sequence(
            "a shadow-banned user may use the backup",
            [set_user("shadow_banned = true"), new_version(), get("version")],
        ),
        sequence(
            "a user awaiting approval may use the backup",
            [set_user("approved = false"), new_version()],
        ),
        sequence(
            "a user who has not consented may use the backup",
            [set_user("consent_version = NULL"), new_version()],
        ),
    ]
}

fn ends() -> Vec<Sequence> {
    let logout = |target: &str| on_main(post(target, &json!({})));
    let deactivate = post("/_synapse/admin/v1/deactivate/{user}", &json!({ "erase": false }))
        .without_token()
        .header("Authorization", "Bearer {administrator}");
    let log_in_again = sql("INSERT INTO access_tokens (id, user_id, device_id, token, used)
         SELECT 1000000000 + (random() * 1000000000)::bigint, '{user}', NULL, '{token}', false");
    vec![
        sequence(
            "a token is gone after its logout",
            [logout("/_matrix/client/v3/logout"), get("version"), get("version")],
        ),
        sequence(
            "a token is gone after a logout everywhere",
            [logout("/_matrix/client/v3/logout/all"), get("version")],
        ),
        sequence(
            "a logged out token is unknown before the body is looked at",
            [logout("/_matrix/client/v3/logout"), put("keys", &json!([]))],
        ),
        sequence(
            "deactivation deletes all backups, and the next version is the first",
            [
                new_version(),
                new_version(),
                on_main(deactivate),
                log_in_again,
                get("version"),
                get("version/1"),
                new_version(),
            ],
        ),
    ]
}
