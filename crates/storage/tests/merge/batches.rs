//! Uploads that share a statement: each has to end as if it had come alone. There is a single connection, so that they have to wait.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use key_backup_model::{BackupVersion, Etag, KeyCount, RoomId, UploadRow, UserId};
use key_backup_storage::{PutOutcome, StorageError};

use crate::{Held, Key, Place, database::Fixture, merge, rows, runtime};

const USERS: u8 = 40;

struct Backup {
    user: UserId,
    version: BackupVersion,
    held: Held,
    keys: KeyCount,
}

async fn backups(fixture: &Fixture) -> Vec<Backup> {
    let mut backups = Vec::new();
    for number in 0..USERS {
        let user = UserId::new(format!("@user{number}:example.com")).unwrap();
        let version = fixture.version_with(&user, &Held::new()).await;
        let keys = KeyCount { version, etag: Etag::from_column(None), count: 0 };
        backups.push(Backup { user, version, held: Held::new(), keys });
    }
    backups
}

/// Different for each user and round: new keys, better ones, worse ones, none.
fn upload(user: u8, round: u8) -> BTreeMap<Place, Key> {
    let key = |session: u8| {
        let place = ("!r".to_owned(), (session * round % 7).to_string());
        let index = i32::from((session ^ round).wrapping_mul(user) % 5);
        (place, ((user + round + session).is_multiple_of(3), index, i32::from(session)))
    };
    (0..(user + round) % 5).map(key).collect()
}

#[test]
fn uploads_of_many_users_at_once_end_as_if_each_had_come_alone() {
    runtime().block_on(async {
        let fixture = Fixture::new().await;
        let mut backups = backups(&fixture).await;
        for round in 1..6 {
            let uploads: Vec<_> = (0..USERS).map(|user| upload(user, round)).collect();
            let known = |backup: &Backup| (round % 2 == 0).then_some(backup.keys);
            let puts = backups.iter().zip(&uploads).map(|(backup, upload)| {
                fixture.put(&backup.user, backup.version, rows(upload), known(backup))
            });
            let outcomes = join_all(puts).await;
            for ((backup, upload), outcome) in backups.iter_mut().zip(&uploads).zip(outcomes) {
                let (added, replaced) = merge(&mut backup.held, upload);
                let etag = backup.keys.etag.get() + i64::from(added + replaced > 0);
                let count = i64::try_from(backup.held.len()).unwrap();
                backup.keys =
                    KeyCount { version: backup.version, etag: Etag::from_column(Some(etag)), count };
                assert_eq!(outcome.unwrap(), PutOutcome::Stored { keys: backup.keys, added, replaced });
            }
        }
        for backup in &backups {
            assert_eq!(fixture.stored(&backup.user, backup.version).await, backup.held);
        }
        // Five rounds of forty uploads, of which four in five have keys.
        let transactions = fixture.transactions().await;
        assert!((1..100).contains(&transactions), "{transactions} transactions");
    });
}

#[test]
fn what_cannot_be_stored_does_not_harm_those_that_share_its_statement() {
    runtime().block_on(async {
        let fixture = Fixture::new().await;
        let backups = backups(&fixture).await;
        let good = BTreeMap::from([(("!r".to_owned(), "s".to_owned()), (true, 0, 0))]);
        let too_long: String = (0..9000_u32).map(|n| char::from(b'!' + (n * n % 93) as u8)).collect();
        let puts = backups.iter().enumerate().map(|(number, backup)| {
            let mut rows: Vec<UploadRow> = rows(&good);
            if number % 10 == 3 {
                rows[0].room_id = RoomId::new(&too_long).unwrap();
            }
            let version = if number % 10 == 6 { BackupVersion::from_column(2) } else { backup.version };
            fixture.put(&backup.user, version, rows, None)
        });
        for (number, outcome) in join_all(puts).await.into_iter().enumerate() {
            match (number % 10, outcome) {
                (3, Err(StorageError::IdTooLong { .. })) | (6, Ok(PutOutcome::UnknownVersion)) => {}
                (_, Ok(PutOutcome::Stored { keys, added: 1, replaced: 0 })) => assert_eq!(keys.count, 1),
                (_, outcome) => panic!("{number}: {outcome:?}"),
            }
        }
    });
}

#[test]
fn two_uploads_of_one_user_at_once_are_two_changes() {
    runtime().block_on(async {
        let fixture = Fixture::new().await;
        let user = UserId::new("@alice:example.com").unwrap();
        let version = fixture.version_with(&user, &Held::new()).await;
        let put = |session: i32| {
            let upload = BTreeMap::from([(("!r".to_owned(), session.to_string()), (true, 0, 0))]);
            fixture.put(&user, version, rows(&upload), None)
        };
        let mut seen: Vec<_> = join_all((0..9).map(put))
            .await
            .into_iter()
            .map(|outcome| match outcome {
                Ok(PutOutcome::Stored { keys, added: 1, replaced: 0 }) => (keys.etag.get(), keys.count),
                outcome => panic!("{outcome:?}"),
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=9).map(|number| (number, number)).collect::<Vec<_>>());
    });
}
