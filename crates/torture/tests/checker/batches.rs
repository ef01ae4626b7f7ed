//! Uploads that take effect together: one new etag, and the same answer for all.

use key_backup_torture::call::{Answer, Selection};

use crate::history::{History, changed, delete, key, read, read_version, restore, restored, upload, version};

#[test]
fn uploads_at_the_same_time_may_share_an_etag() {
    History::default()
        .call(0..10, upload(&[(1, 5)]), changed(1, 3))
        .call(1..9, upload(&[(2, 5)]), changed(1, 3))
        .call(2..12, upload(&[(1, 3), (3, 5)]), changed(1, 3))
        .call(13..14, restore(), restored(&[(1, 3), (2, 5), (3, 5)]))
        .is_possible();
}

#[test]
fn uploads_one_after_another_may_not() {
    History::default()
        .call(0..1, upload(&[(1, 5)]), changed(1, 2))
        .call(2..3, upload(&[(2, 5)]), changed(1, 2))
        .is_impossible_from(0);
}

#[test]
fn uploads_that_only_touch_a_third_one_may_not() {
    // The third overlaps both, but all have to happen at one moment.
    History::default()
        .call(0..10, upload(&[(1, 5)]), changed(1, 3))
        .call(20..30, upload(&[(2, 5)]), changed(1, 3))
        .call(5..25, upload(&[(3, 5)]), changed(1, 3))
        .is_impossible_from(0);
}

#[test]
fn all_are_told_the_same_count() {
    History::default()
        .call(0..10, upload(&[(1, 5)]), changed(1, 1))
        .call(0..11, upload(&[(2, 5)]), changed(1, 2))
        .is_impossible_from(1);
}

#[test]
fn nobody_sees_a_part() {
    History::default()
        .call(0..10, upload(&[(1, 5)]), changed(1, 2))
        .call(0..10, upload(&[(2, 5)]), changed(1, 2))
        .call(0..9, read_version(), version(1, 1))
        .is_impossible_from(0);
}

#[test]
fn an_upload_that_changes_nothing_may_come_after_the_others() {
    History::default()
        .call(0..1, upload(&[(1, 5)]), changed(1, 1))
        .call(2..3, upload(&[(1, 5)]), changed(1, 1))
        .call(4..5, upload(&[(1, 7)]), changed(1, 1))
        .is_possible();
}

#[test]
fn an_upload_and_a_deletion_do_not_share_an_etag() {
    History::default()
        .call(0..10, upload(&[(1, 5)]), changed(1, 1))
        .call(0..11, delete(Selection::Room(0)), changed(1, 1))
        .is_impossible_from(1);
}

#[test]
fn uploads_without_an_answer_may_be_part_of_it() {
    History::default()
        .unanswered(0, upload(&[(2, 5)]))
        .unanswered(0, upload(&[(3, 5)]))
        .unanswered(0, upload(&[(4, 5)]))
        .call(1..10, upload(&[(1, 5)]), changed(1, 3))
        .call(11..12, read(3), Answer::NotFound)
        .call(13..14, read(4), Answer::Key(key(5)))
        .call(15..16, read_version(), version(2, 4))
        .is_possible();
}

#[test]
fn uploads_without_an_answer_that_began_later_may_not() {
    History::default()
        .call(0..1, upload(&[(1, 5)]), changed(1, 2))
        .unanswered(2, upload(&[(2, 5)]))
        .is_impossible_from(0);
}
