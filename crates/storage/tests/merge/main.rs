//! The upload statement against the rule in Rust and against a plain model, on real tables with generated keys.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod batches;
mod database;

use std::{cell::Cell, collections::BTreeMap};

use database::Fixture;
use key_backup_model::{
    BackupVersion, Etag, JsonText, KeyCount, RoomId, SessionId, SessionKey, UploadRow, UserId,
};
use key_backup_storage::PutOutcome;
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};

type Place = (String, String);

/// A key in the model: verified, index, count.
type Key = (bool, i32, i32);

/// What a version holds; a row that an old Synapse wrote may have no numbers.
type Held = BTreeMap<Place, (bool, Option<i32>, Option<i32>)>;

fn place() -> impl Strategy<Value = Place> {
    (0..2, 0..4).prop_map(|(room, session)| (format!("!r{room}"), format!("s/{session}")))
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![8 => 0..3, 1 => Just(i32::MIN), 1 => Just(i32::MAX)]
}

fn uploads() -> impl Strategy<Value = Vec<BTreeMap<Place, Key>>> {
    vec(btree_map(place(), (any::<bool>(), number(), number()), 0..7), 1..6)
}

fn old_rows() -> impl Strategy<Value = Held> {
    let optional = || prop::option::weighted(0.8, number());
    btree_map(place(), (any::<bool>(), optional(), optional()), 0..4)
}

/// The rule in plain words, without any order of tuples. A missing number is as bad as the highest.
fn is_better(new: Key, old: (bool, Option<i32>, Option<i32>)) -> bool {
    let (index, count) = (old.1.unwrap_or(i32::MAX), old.2.unwrap_or(i32::MAX));
    if new.0 != old.0 {
        new.0
    } else if new.1 == index {
        new.2 < count
    } else {
        new.1 < index
    }
}

/// Merges an upload into the model and says how many keys were added and how many replaced.
fn merge(held: &mut Held, upload: &BTreeMap<Place, Key>) -> (u64, u64) {
    let (mut added, mut replaced) = (0, 0);
    for (place, key) in upload {
        match held.get(place) {
            None => added += 1,
            Some(old) if is_better(*key, *old) => replaced += 1,
            Some(_) => continue,
        }
        held.insert(place.clone(), (key.0, Some(key.1), Some(key.2)));
    }
    (added, replaced)
}

/// The same with the rule of the model crate.
fn merge_in_rust(held: &Held, upload: &BTreeMap<Place, Key>) -> Held {
    let to_key = |(is_verified, index, count): Key| session_key(is_verified, index, count);
    let mut after = held.clone();
    for (place, key) in upload {
        let old =
            held.get(place).map(|old| to_key((old.0, old.1.unwrap_or(i32::MAX), old.2.unwrap_or(i32::MAX))));
        if old.is_none_or(|old| to_key(*key).replaces(&old)) {
            after.insert(place.clone(), (key.0, Some(key.1), Some(key.2)));
        }
    }
    after
}

fn session_key(is_verified: bool, first_message_index: i32, forwarded_count: i32) -> SessionKey {
    let session_data =
        JsonText::new(format!("[{is_verified}, {first_message_index}, {forwarded_count}]")).unwrap();
    SessionKey { first_message_index, forwarded_count, is_verified, session_data }
}

fn rows(upload: &BTreeMap<Place, Key>) -> Vec<UploadRow> {
    let to_row = |(place, key): (&Place, &Key)| UploadRow {
        room_id: RoomId::new(&place.0).unwrap(),
        session_id: SessionId::new(&place.1).unwrap(),
        key: session_key(key.0, key.1, key.2),
    };
    upload.iter().map(to_row).collect()
}

/// Uploads to a version that holds old rows, and compares each outcome and the end with the model.
async fn check(
    fixture: &Fixture,
    user: &UserId,
    old: Held,
    uploads: &[BTreeMap<Place, Key>],
) -> Result<(), TestCaseError> {
    let version = fixture.version_with(user, &old).await;
    let (mut held, mut etag) = (old, 0);
    for upload in uploads {
        let in_rust = merge_in_rust(&held, upload);
        let (added, replaced) = merge(&mut held, upload);
        prop_assert_eq!(&in_rust, &held);
        etag += i64::from(added + replaced > 0);
        let count = i64::try_from(held.len()).unwrap();
        let keys = KeyCount { version, etag: Etag::from_column(Some(etag)), count };
        let outcome = fixture.put(user, version, rows(upload), None).await.unwrap();
        prop_assert_eq!(outcome, PutOutcome::Stored { keys, added, replaced });
    }
    prop_assert_eq!(fixture.stored(user, version).await, held);
    Ok(())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn the_statement_merges_as_the_rule_in_rust_and_as_the_model() {
    let runtime = runtime();
    let fixture = runtime.block_on(Fixture::new());
    let number = Cell::new(0);
    let config = Config { cases: 250, failure_persistence: None, ..Config::default() };
    let seed = if config.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { config.rng_seed };
    let result = TestRunner::new(Config { rng_seed: seed, ..config }).run(
        &(old_rows(), uploads()),
        |(old, uploads)| {
            number.set(number.get() + 1);
            let user = UserId::new(format!("@user{}:example.com", number.get())).unwrap();
            runtime.block_on(check(&fixture, &user, old, &uploads))
        },
    );
    result.unwrap();
}

#[test]
fn a_count_that_is_known_is_as_good_as_one_that_is_counted() {
    runtime().block_on(async {
        let fixture = Fixture::new().await;
        let user = UserId::new("@alice:example.com").unwrap();
        let version = fixture.version_with(&user, &Held::new()).await;
        let mut known = KeyCount { version, etag: Etag::from_column(None), count: 0 };
        let mut stale = known;
        for number in 0..10 {
            let session = |session: i32| ("!r".to_owned(), session.to_string());
            let upload =
                BTreeMap::from([(session(number / 2), (true, -number, 0)), (session(9), (true, 0, 0))]);
            // One of another etag is not used, however wrong it is.
            stale.count += 1000;
            let tried = if number % 3 == 2 { stale } else { known };
            let outcome = fixture.put(&user, version, rows(&upload), Some(tried)).await.unwrap();
            let PutOutcome::Stored { keys, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(usize::try_from(keys.count).unwrap(), fixture.stored(&user, version).await.len());
            known = keys;
        }
        assert_eq!(known.version, BackupVersion::from_column(1));
    });
}
