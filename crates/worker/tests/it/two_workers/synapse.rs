//! A third process beside the two workers that writes as Synapse does: separate transactions, no lock of ours.

use std::time::Duration;

use key_backup_testkit::TestDatabase;
use serde_json::json;

use super::{
    Pair,
    history::{
        Answered, Change, Dice, Keys, assert_numbered_without_gaps, session_data, stored, version_numbers,
    },
};
use crate::common::{VERSION, new_version, ok};

/// Of each room: so many that there are new ones to the end.
const SESSIONS: u64 = 200;

/// Uploads of keys that are not there yet, as Synapse makes them: it looks, inserts them in whatever order, and raises the
/// etag that it has seen. Says which keys it inserted. Like Synapse, it fails where somebody else was faster.
async fn upload_as_synapse(database: &TestDatabase, user: &str, seed: u64, count: usize) -> Keys {
    let mut dice = Dice::new(seed, SESSIONS);
    let client = database.connect().await.unwrap();
    let isolation = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    client.batch_execute(isolation).await.unwrap();
    let mut inserted = Keys::new();
    for _ in 0..count {
        let sql = "SELECT coalesce(etag, 0) FROM e2e_room_keys_versions WHERE user_id = $1 AND version = 1";
        let etag: i64 = client.query_one(sql, &[&user]).await.unwrap().get(0);
        let there = stored(database, user, "1").await;
        let new: Keys = dice.upload().into_iter().filter(|(place, _)| !there.contains_key(place)).collect();
        let values: Vec<String> = new.iter().rev().map(|(place, rank)| row(user, place, *rank)).collect();
        if values.is_empty() || client.batch_execute(&insert(&values)).await.is_err() {
            continue;
        }
        inserted.extend(new);
        let sql = "UPDATE e2e_room_keys_versions SET etag = $2 WHERE user_id = $1 AND version = 1";
        let _ = client.execute(sql, &[&user, &(etag + 1)]).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    inserted
}

fn insert(values: &[String]) -> String {
    format!(
        "INSERT INTO e2e_room_keys (user_id, version, room_id, session_id, is_verified, first_message_index,
           forwarded_count, session_data) VALUES {}",
        values.join(", ")
    )
}

fn row(user: &str, place: &(String, String), rank: (bool, i32, i32)) -> String {
    let (room, session) = place;
    let data = json!(session_data(place, rank));
    format!("('{user}', 1, '{room}', '{session}', {}, {}, {}, '{data}')", !rank.0, rank.1, rank.2)
}

#[tokio::test]
async fn uploads_of_synapse_in_between_cost_no_key_and_no_failure() {
    let pair = Pair::start().await;
    let (user, clients) = pair.user("alice", 4).await;
    new_version(&clients[0]).await;
    let devices: Vec<_> = (400..)
        .zip(clients.clone())
        .map(|(seed, client)| {
            tokio::spawn(async move {
                let mut dice = Dice::new(seed, SESSIONS);
                let mut answers = Vec::new();
                for _ in 0..20 {
                    answers.push(Answered::to(&client, "1", Change::Upload(dice.upload())).await);
                }
                answers
            })
        })
        .collect();
    let mut best = upload_as_synapse(&pair.database, &user, 499, 20).await;
    assert!(!best.is_empty(), "Synapse was not able to insert any key");
    for device in devices {
        for answered in device.await.unwrap() {
            assert_eq!(answered.status, 200);
            let Change::Upload(keys) = answered.change else { unreachable!() };
            for (place, rank) in keys {
                let kept = best.entry(place).or_insert(rank);
                *kept = (*kept).min(rank);
            }
        }
    }
    // Synapse loses etags, so that only the rest can be promised.
    assert_eq!(stored(&pair.database, &user, "1").await, best);
    let told = ok(&clients[0].get(VERSION).await.unwrap());
    assert_eq!(told["count"], best.len());
}

#[tokio::test]
async fn versions_that_synapse_makes_in_between_cost_no_failure() {
    let pair = Pair::start().await;
    let (user, clients) = pair.user("alice", 2).await;
    let makers: Vec<_> = clients
        .into_iter()
        .map(|client| {
            tokio::spawn(async move {
                for _ in 0..25 {
                    new_version(&client).await;
                }
            })
        })
        .collect();
    let synapse = pair.database.connect().await.unwrap();
    let sql = "INSERT INTO e2e_room_keys_versions (user_id, version, algorithm, auth_data)
               SELECT $1, coalesce(max(version), 0) + 1, 'a', '{}' FROM e2e_room_keys_versions WHERE user_id = $1";
    let mut made = 0;
    for _ in 0..50 {
        made += synapse.execute(sql, &[&user]).await.unwrap_or(0);
    }
    for maker in makers {
        maker.await.unwrap();
    }
    let numbers = version_numbers(&pair.database, &user).await;
    assert_numbered_without_gaps(&numbers);
    assert_eq!(numbers.len() as u64, made + 50);
}
