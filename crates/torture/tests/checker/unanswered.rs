//! Calls without an answer: they may have happened, at any time after their beginning, or never.

use key_backup_torture::call::{Answer, Operation, Selection};

use crate::history::{
    History, changed, delete, read, read_version, restore, restored, upload, version, with_version,
};

#[test]
fn it_may_have_happened_at_once_or_later_or_never() {
    let begun =
        || History::default().call(0..1, upload(&[(1, 5)]), changed(1, 1)).unanswered(2, upload(&[(2, 5)]));
    begun().call(10..11, read_version(), version(1, 1)).is_possible();
    begun().call(10..11, read_version(), version(2, 2)).is_possible();
    begun()
        .call(10..11, read_version(), version(1, 1))
        .call(12..13, upload(&[(3, 5)]), changed(2, 2))
        .call(14..15, restore(), restored(&[(1, 5), (2, 5), (3, 5)]))
        .is_possible();
}

#[test]
fn it_happens_once() {
    History::default()
        .unanswered(0, delete(Selection::All))
        .call(10..11, read_version(), version(1, 0))
        .call(12..13, read_version(), version(2, 0))
        .is_impossible_from(2);
}

#[test]
fn it_does_not_unhappen() {
    History::default()
        .unanswered(0, upload(&[(1, 5)]))
        .call(10..11, read_version(), version(1, 1))
        .call(12..13, read_version(), version(0, 0))
        .is_impossible_from(2);
}

#[test]
fn it_does_not_happen_before_it_began() {
    History::default()
        .call(0..1, read_version(), version(1, 1))
        .unanswered(2, upload(&[(1, 5)]))
        .is_impossible_from(0);
}

#[test]
fn it_happens_whole() {
    History::default()
        .unanswered(0, upload(&[(1, 5), (2, 5)]))
        .call(10..11, restore(), restored(&[(1, 5)]))
        .is_impossible_from(1);
}

#[test]
fn which_of_several_has_happened_may_show_much_later() {
    let mut history = History::default();
    for session in 0..12 {
        history = history.unanswered(0, upload(&[(session, 5)]));
    }
    for etag in 1..=5 {
        history = history.call(10 * etag..10 * etag + 1, read_version(), version(etag, etag));
    }
    let sessions = [(1, 5), (3, 5), (4, 5), (8, 5), (11, 5)];
    history.call(100..101, restore(), restored(&sessions)).is_possible();
}

#[test]
fn what_none_of_several_can_have_done_is_no_history() {
    let mut history = History::default();
    for session in 0..8 {
        history = history.unanswered(0, upload(&[(session, 5)]));
    }
    history
        .call(10..11, read_version(), version(2, 2))
        .call(12..13, restore(), restored(&[(1, 5), (100, 5)]))
        .is_impossible_from(9);
}

#[test]
fn what_the_database_holds_at_the_end_tells_how_many_have_happened() {
    let mut history = History::default();
    for _ in 0..30 {
        history = history.unanswered(0, delete(Selection::All));
    }
    let mut end = with_version();
    end.apply(&upload(&[(1, 5)]));
    let history = history.unanswered(1, upload(&[(1, 5)]));
    history.call(10..11, Operation::Observe, Answer::Everything(end)).is_possible();
}

#[test]
fn a_new_version_that_nobody_was_told_of_takes_its_number() {
    History::default()
        .unanswered(0, Operation::CreateVersion { auth_data: 7 })
        .call(10..11, Operation::CreateVersion { auth_data: 8 }, Answer::Created { version: 3 })
        .call(12..13, Operation::DeleteVersion { version: 3 }, Answer::Done)
        .call(14..15, read_version(), Answer::Version { version: 2, etag: 0, count: 0, auth_data: 7 })
        .is_possible();
}

#[test]
fn a_read_without_an_answer_says_nothing() {
    History::default().unanswered(0, read(1)).call(1..2, read_version(), version(0, 0)).is_possible();
}

#[test]
fn who_made_a_version_may_show_much_later() {
    let mut history = History::default();
    for client in 0..12 {
        history = history.unanswered(0, Operation::CreateVersion { auth_data: 100 + client });
    }
    let made = Answer::Version { version: 2, etag: 0, count: 0, auth_data: 107 };
    history.call(10..11, Operation::ReadVersion { version: Some(2) }, made).is_possible();
}

#[test]
fn which_of_several_has_replaced_keys_may_show_much_later() {
    let mut history = History::default().call(0..1, upload(&[(1, 50), (2, 50), (3, 50)]), changed(1, 3));
    for index in 0..16 {
        history = history.unanswered(2, upload(&[(1 + index % 3, 40 - i32::from(index))]));
    }
    for etag in 2..12_u8 {
        let time = 10 * u64::from(etag);
        history = history.call(
            time..time + 5,
            upload(&[(etag + 10, 5)]),
            changed(etag.into(), 2 + u64::from(etag)),
        );
    }
    let mut keys = vec![(1, 28), (2, 50), (3, 32)];
    keys.extend((12..22).map(|session| (session, 5)));
    history.call(200..201, restore(), restored(&keys)).is_possible();
}
