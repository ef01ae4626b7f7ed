//! What one history is, and what is none.

use key_backup_torture::call::{Answer, Operation, Selection};

use crate::history::{
    History, changed, delete, key, place, read, read_version, restore, restored, upload, version,
};

fn create(auth_data: u64) -> Operation {
    Operation::CreateVersion { auth_data }
}

#[test]
fn one_call_after_another_is_one_history() {
    History::default()
        .call(0..1, upload(&[(1, 5), (2, 5)]), changed(1, 2))
        .call(2..3, upload(&[(1, 3)]), changed(2, 2))
        .call(4..5, upload(&[(1, 4), (2, 5)]), changed(2, 2))
        .call(6..7, read(1), Answer::Key(key(3)))
        .call(8..9, delete(Selection::Session(place(2))), changed(3, 1))
        .call(10..11, restore(), restored(&[(1, 3)]))
        .call(12..13, create(7), Answer::Created { version: 2 })
        .call(14..15, upload(&[(1, 1)]), Answer::WrongVersion { current: 2 })
        .call(16..17, Operation::DeleteVersion { version: 2 }, Answer::Done)
        .call(18..19, read_version(), version(3, 1))
        .is_possible();
}

#[test]
fn calls_at_the_same_time_may_have_happened_in_any_order() {
    History::default()
        .call(0..10, upload(&[(1, 5)]), changed(2, 2))
        .call(0..10, upload(&[(2, 5)]), changed(1, 1))
        .call(0..10, restore(), restored(&[(2, 5)]))
        .call(0..10, read_version(), version(0, 0))
        .is_possible();
}

#[test]
fn a_lost_update_is_no_history() {
    History::default()
        .call(0..10, upload(&[(1, 5)]), changed(1, 1))
        .call(0..10, upload(&[(2, 5)]), changed(2, 2))
        .call(11..12, restore(), restored(&[(2, 5)]))
        .is_impossible_from(2);
}

#[test]
fn a_stale_read_is_no_history() {
    History::default()
        .call(0..1, upload(&[(1, 5)]), changed(1, 1))
        .call(2..3, read_version(), version(0, 0))
        .is_impossible_from(1);
}

#[test]
fn a_key_that_vanished_is_no_history() {
    History::default()
        .call(0..1, upload(&[(1, 5)]), changed(1, 1))
        .call(2..3, upload(&[(2, 5)]), changed(2, 2))
        .call(4..5, read(1), Answer::NotFound)
        .is_impossible_from(2);
}

#[test]
fn a_worse_key_in_place_of_a_better_one_is_no_history() {
    History::default()
        .call(0..1, upload(&[(1, 3)]), changed(1, 1))
        .call(2..3, upload(&[(1, 5)]), changed(1, 1))
        .call(4..5, read(1), Answer::Key(key(5)))
        .is_impossible_from(2);
}

#[test]
fn half_an_upload_is_no_history() {
    History::default()
        .call(0..10, upload(&[(1, 5), (2, 5)]), changed(1, 2))
        .call(0..11, restore(), restored(&[(1, 5)]))
        .is_impossible_from(1);
}

#[test]
fn an_etag_that_goes_back_is_no_history() {
    History::default()
        .call(0..1, upload(&[(1, 5)]), changed(1, 1))
        .call(2..3, delete(Selection::Room(1)), changed(2, 0))
        .call(4..5, read_version(), version(1, 0))
        .is_impossible_from(2);
}

#[test]
fn an_etag_that_is_left_out_is_no_history() {
    History::default()
        .call(0..1, upload(&[(1, 5)]), changed(1, 1))
        .call(2..3, upload(&[(2, 5)]), changed(3, 2))
        .is_impossible_from(1);
}

#[test]
fn a_deletion_that_leaves_the_etag_is_no_history() {
    History::default()
        .call(0..1, upload(&[(1, 5)]), changed(1, 1))
        .call(2..3, delete(Selection::Room(0)), changed(1, 1))
        .is_impossible_from(1);
}

#[test]
fn a_count_that_is_off_by_one_is_no_history() {
    for count in [1, 3] {
        History::default()
            .call(0..1, upload(&[(1, 5)]), changed(1, 1))
            .call(2..3, upload(&[(2, 5)]), changed(2, count))
            .is_impossible_from(1);
    }
}

#[test]
fn two_answers_that_contradict_each_other_are_no_history() {
    History::default()
        .call(0..10, upload(&[(1, 5)]), changed(1, 1))
        .call(0..10, read_version(), version(1, 1))
        .call(0..10, restore(), restored(&[]))
        .call(11..12, restore(), restored(&[]))
        .is_impossible_from(3);
}

#[test]
fn two_versions_of_one_number_are_no_history() {
    History::default()
        .call(0..9, create(7), Answer::Created { version: 2 })
        .call(0..10, create(8), Answer::Created { version: 2 })
        .is_impossible_from(1);
}

#[test]
fn an_upload_into_a_version_that_was_not_current_any_more_is_no_history() {
    History::default()
        .call(0..1, create(7), Answer::Created { version: 2 })
        .call(2..3, upload(&[(1, 5)]), changed(1, 1))
        .is_impossible_from(1);
}

#[test]
fn auth_data_that_nobody_has_set_is_no_history() {
    let read = Answer::Version { version: 1, etag: 0, count: 0, auth_data: 7 };
    let update = Operation::UpdateAuthData { version: 1, auth_data: 7 };
    History::default().call(0..1, read_version(), read.clone()).is_impossible_from(0);
    History::default().call(0..1, update, Answer::Done).call(2..3, read_version(), read).is_possible();
}
