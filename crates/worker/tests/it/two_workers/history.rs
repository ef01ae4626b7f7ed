//! What clients did at the same time and were answered, and whether that can have happened one after another.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use key_backup_testkit::{
    TestDatabase,
    http::{Client, Response},
};
use serde_json::{Value, json};

use crate::common::{keys, room_keys, session_key};

/// A room and a session in it.
pub(super) type Place = (String, String);

/// How good a key is, the lower the better: not verified, `first_message_index`, `forwarded_count`.
pub(super) type Rank = (bool, i32, i32);

/// The keys of a version, or of an upload to it.
pub(super) type Keys = BTreeMap<Place, Rank>;

/// A change that a client asks for.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Upload(Keys),
    DeleteAll,
    DeleteRoom(String),
    DeleteSession(Place),
}

impl Change {
    /// The keys after it.
    fn applied_to(&self, before: &Keys) -> Keys {
        let mut after = before.clone();
        match self {
            Self::Upload(keys) => {
                for (place, rank) in keys {
                    let kept = after.entry(place.clone()).or_insert(*rank);
                    *kept = (*kept).min(*rank);
                }
            }
            Self::DeleteAll => after.clear(),
            Self::DeleteRoom(room) => after.retain(|place, _| place.0 != *room),
            Self::DeleteSession(place) => drop(after.remove(place)),
        }
        after
    }

    /// Whether it moves the etag of a version with these keys: a deletion always does.
    fn moves_the_etag(&self, before: &Keys) -> bool {
        !matches!(self, Self::Upload(_)) || self.applied_to(before) != *before
    }

    async fn send(&self, client: &Client, version: &str) -> Response {
        let sent = match self {
            Self::Upload(uploaded) => client.put(&keys(version), &body(uploaded)).await,
            Self::DeleteAll => client.delete(&keys(version)).await,
            Self::DeleteRoom(room) => client.delete(&room_keys(version, room)).await,
            Self::DeleteSession((room, session)) => client.delete(&session_key(version, room, session)).await,
        };
        sent.unwrap()
    }
}

/// The body of an upload of these keys.
fn body(uploaded: &Keys) -> Value {
    let mut body = json!({ "rooms": {} });
    for (place, rank) in uploaded {
        body["rooms"][&place.0]["sessions"][&place.1] = json!({
            "is_verified": !rank.0, "first_message_index": rank.1, "forwarded_count": rank.2,
            "session_data": session_data(place, *rank),
        });
    }
    body
}

/// Tells where a key belongs and how good it is, so that a mixture of two keys would show.
pub(super) fn session_data(place: &Place, rank: Rank) -> String {
    format!("{place:?} {rank:?}")
}

/// A change and its answer.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) version: String,
    pub(super) change: Change,
    pub(super) status: u16,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    etag: u64,
    count: usize,
}

impl Answered {
    /// Asks for a change and keeps the answer, which must not be the server's failure.
    pub(super) async fn to(client: &Client, version: &str, change: Change) -> Self {
        let began = Instant::now();
        let response = change.send(client, version).await;
        assert!(response.status < 500, "{}", response.text());
        let answer = response.json().unwrap();
        Self {
            version: version.to_owned(),
            change,
            status: response.status,
            began,
            ended: Instant::now(),
            etag: answer["etag"].as_str().map_or(0, |etag| etag.parse().unwrap()),
            count: answer["count"].as_u64().map_or(0, |count| count.try_into().unwrap()),
        }
    }
}

/// The etag and the keys of a version after these changes, all of them made to it and answered with 200.
///
/// Panics unless there is an order of them that explains every answer. Answers with the same etag are of one moment: one
/// change led to it, or several uploads that were under way at the same time and were merged, and the other uploads found nothing to
/// change.
pub(super) fn replayed(answers: &[&Answered]) -> (u64, Keys) {
    let mut by_etag: BTreeMap<u64, Vec<&Answered>> = BTreeMap::new();
    for answered in answers {
        by_etag.entry(answered.etag).or_default().push(answered);
    }
    let last = by_etag.keys().next_back().copied().unwrap_or(0);
    let mut state = Keys::new();
    for etag in 0..=last {
        let group = by_etag.remove(&etag).unwrap_or_default();
        if etag > 0 {
            state = next_state(&state, &group)
                .unwrap_or_else(|| panic!("nothing explains etag {etag}: {group:#?}"));
        }
        for answered in &group {
            assert_eq!(answered.count, state.len(), "the count for etag {etag}: {answered:#?}");
        }
    }
    (last, state)
}

/// The state after the one change of the group, such that it makes all others of the group changes of nothing. Where more than
/// one would do, they lead to the same state.
fn next_state(before: &Keys, group: &[&Answered]) -> Option<Keys> {
    let candidates = group.iter().enumerate().filter(|(_, answered)| answered.change.moves_the_etag(before));
    let one = candidates.map(|(number, answered)| (number, answered.change.applied_to(before))).find_map(
        |(number, after)| {
            let others = group.iter().enumerate().filter(|(other, _)| *other != number);
            let fits = others.map(|(_, other)| other.change.moves_the_etag(&after)).all(|moves| !moves);
            fits.then_some(after)
        },
    );
    one.or_else(|| together(before, group))
}

/// The state after uploads of the group that a worker stored as one, because they waited at the same moment.
fn together(before: &Keys, group: &[&Answered]) -> Option<Keys> {
    let applied = |uploads: &mut dyn Iterator<Item = &&Answered>| {
        uploads.fold(before.clone(), |state, answered| answered.change.applied_to(&state))
    };
    let only_uploads = group.iter().all(|answered| matches!(answered.change, Change::Upload(_)));
    let after = applied(&mut group.iter());
    let at = |moment: Instant| applied(&mut group.iter().filter(|a| a.began <= moment && moment <= a.ended));
    let explained = only_uploads && group.iter().any(|answered| at(answered.began) == after);
    (explained && after != *before).then_some(after)
}

/// The keys of a version in the database; each is whole.
pub(super) async fn stored(database: &TestDatabase, user: &str, version: &str) -> Keys {
    let sql =
        "SELECT room_id, session_id, NOT is_verified, first_message_index, forwarded_count, session_data
                 FROM e2e_room_keys WHERE user_id = $1 AND version = $2::text::bigint";
    let rows = database.connect().await.unwrap().query(sql, &[&user, &version]).await.unwrap();
    rows.iter()
        .map(|row| {
            let (place, rank) = ((row.get(0), row.get(1)), (row.get(2), row.get(3), row.get(4)));
            assert_eq!(row.get::<_, String>(5), json!(session_data(&place, rank)).to_string());
            (place, rank)
        })
        .collect()
}

/// The etag of a version in the database.
pub(super) async fn stored_etag(database: &TestDatabase, user: &str, version: &str) -> u64 {
    let sql = "SELECT coalesce(etag, 0) FROM e2e_room_keys_versions WHERE user_id = $1 AND version = $2::text::bigint";
    let row = database.connect().await.unwrap().query_one(sql, &[&user, &version]).await.unwrap();
    row.get::<_, i64>(0).unsigned_abs()
}

/// The numbers of all versions that a user has ever had, in their order.
pub(super) async fn version_numbers(database: &TestDatabase, user: &str) -> Vec<i64> {
    let sql = "SELECT version FROM e2e_room_keys_versions WHERE user_id = $1 ORDER BY version";
    let rows = database.connect().await.unwrap().query(sql, &[&user]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Checks that the numbers are 1, 2, 3… without any twice.
#[track_caller]
pub(super) fn assert_numbered_without_gaps(numbers: &[i64]) {
    let distinct: BTreeSet<i64> = numbers.iter().copied().collect();
    let highest = i64::try_from(numbers.len()).unwrap();
    assert_eq!(distinct.into_iter().collect::<Vec<_>>(), (1..=highest).collect::<Vec<_>>());
}

/// Chance that is the same in every run.
pub(super) struct Dice {
    state: u64,
    sessions: u64,
}

impl Dice {
    /// Uploads are of three rooms with that many sessions each: the fewer, the more they overlap.
    pub(super) fn new(seed: u64, sessions: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, sessions }
    }

    /// A number from 0 to one below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % sides
    }

    fn place(&mut self) -> Place {
        (format!("!room{}", self.roll(3)), format!("session{}", self.roll(self.sessions)))
    }

    /// Up to 15 keys.
    pub(super) fn upload(&mut self) -> Keys {
        let size = self.roll(16);
        (0..size).map(|_| (self.place(), self.rank())).collect()
    }

    fn rank(&mut self) -> Rank {
        let small = |number: u64| i32::try_from(number).unwrap();
        (self.roll(4) > 0, small(self.roll(8)), small(self.roll(2)))
    }

    /// Mostly uploads, some deletions.
    pub(super) fn change(&mut self) -> Change {
        match self.roll(24) {
            0 => Change::DeleteAll,
            1 => Change::DeleteRoom(self.place().0),
            2 | 3 => Change::DeleteSession(self.place()),
            _ => Change::Upload(self.upload()),
        }
    }
}
