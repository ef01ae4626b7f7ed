//! Histories that the model itself has made are possible; with one wrong figure in them they are not.

use fastrand::Rng;
use key_backup_torture::{
    Backup, Verdict,
    call::{Answer, Answered, Call, Operation, Selection},
    check,
};

use crate::{
    history::{changed, delete, key, place, read, read_version, restore, upload, with_version},
    naive,
};

fn operation(chance: &mut Rng, number: u64) -> Operation {
    let sessions: Vec<(u8, i32)> =
        (0..chance.usize(1..4)).map(|_| (chance.u8(..6), chance.i32(..20))).collect();
    match chance.u8(..13) {
        0 => Operation::CreateVersion { auth_data: 1 + number },
        1 => Operation::DeleteVersion { version: chance.u64(1..4) },
        2 => Operation::UpdateAuthData { version: 1, auth_data: 1 + number },
        3 => delete(Selection::Session(place(sessions[0].0))),
        4 => read(sessions[0].0),
        5 => restore(),
        6 => read_version(),
        7 => Operation::Observe,
        _ => upload(&sessions),
    }
}

/// Each call takes effect at a time of its own, and began and ended around that. Now and then uploads take effect together. So many per
/// cent are not answered.
fn history(chance: &mut Rng, length: u64, unanswered: u8) -> Vec<Call> {
    let mut backup = with_version();
    let mut calls: Vec<Call> = Vec::new();
    let mut open = 0;
    for number in 0..length {
        let operation = operation(chance, number);
        let (began, at) = (1000 + 10 * number - chance.u64(..50), 1000 + 10 * number + chance.u64(1..50));
        let etag = current_etag(&backup);
        let answer = backup.apply(&operation);
        let raised = matches!(operation, Operation::Upload { .. }) && current_etag(&backup) != etag;
        let call = Call { client: 0, worker: 0, operation, began, answered: Some(Answered { at, answer }) };
        let joins = raised && open < calls.len() && chance.bool();
        calls.push(call);
        if joins {
            join(&mut backup, &mut calls[open..], 1000 + 10 * number);
        } else {
            open = if raised { calls.len() - 1 } else { calls.len() };
        }
    }
    for call in &mut calls {
        call.answered.take_if(|_| chance.u8(..100) < unanswered);
    }
    calls
}

fn current_etag(backup: &Backup) -> Option<u64> {
    Some(backup.versions.values().next_back()?.etag)
}

/// Makes the last upload one with those before it.
fn join(backup: &mut Backup, members: &mut [Call], moment: u64) {
    let Some(contents) = backup.versions.values_mut().next_back() else { return };
    contents.etag -= 1;
    let answer = changed(contents.etag, contents.count());
    for member in members {
        let at = member.answered.as_ref().map_or(0, |answered| answered.at.max(moment + 1));
        member.answered = Some(Answered { at, answer: answer.clone() });
    }
}

#[test]
fn what_the_model_answers_is_possible() {
    for seed in 0..300 {
        let calls = history(&mut Rng::with_seed(seed), 120, 5);
        if let Verdict::Impossible(explanation) = check(&with_version(), &calls) {
            panic!("seed {seed}: {explanation}");
        }
    }
}

#[test]
fn one_wrong_count_is_not() {
    for seed in 0..100 {
        let mut chance = Rng::with_seed(seed);
        let mut calls = history(&mut chance, 40, 5);
        let counts = calls.iter_mut().filter_map(|call| match &mut call.answered.as_mut()?.answer {
            Answer::Changed { count, .. } | Answer::Version { count, .. } => Some(count),
            _ => None,
        });
        let Some(count) = chance.choice(counts.collect::<Vec<_>>()) else { continue };
        // More than there are keys in all.
        *count += 7;
        let verdict = check(&with_version(), &calls);
        assert!(matches!(verdict, Verdict::Impossible(_)), "seed {seed}: {calls:#?}");
    }
}

/// One answer becomes another that the same operation could have.
fn spoil(calls: &mut [Call], chance: &mut Rng) {
    let answers = calls.iter_mut().filter_map(|call| Some(&mut call.answered.as_mut()?.answer));
    let Some(answer) = chance.choice(answers.collect::<Vec<_>>()) else { return };
    let up = chance.bool();
    let moved = |number: u64| if up { number + 1 } else { number.saturating_sub(1) };
    match answer {
        Answer::Changed { etag, .. } | Answer::Version { etag, .. } if chance.bool() => *etag = moved(*etag),
        Answer::Changed { count, .. } | Answer::Version { count, .. } => *count = moved(*count),
        Answer::Created { version } | Answer::WrongVersion { current: version } => *version = moved(*version),
        Answer::Keys(keys) if up => drop(keys.pop_first()),
        Answer::Keys(keys) => drop(keys.insert(place(chance.u8(..6)), key(chance.i32(..20)))),
        Answer::Key(key) => key.first_message_index += if up { 1 } else { -1 },
        Answer::Everything(backup) => drop(backup.versions.pop_last()),
        Answer::NotFound => *answer = Answer::Done,
        Answer::Done => *answer = Answer::NotFound,
    }
}

#[test]
fn the_search_finds_what_trying_everything_finds() {
    let mut possible = [0, 0];
    for seed in 0..1500 {
        let mut chance = Rng::with_seed(seed);
        let length = chance.u64(2..8);
        let mut calls = history(&mut chance, length, 20);
        // So close together that most of them overlap.
        for call in &mut calls {
            call.began -= chance.u64(..40);
        }
        if chance.u8(..3) > 0 {
            spoil(&mut calls, &mut chance);
        }
        let expected = naive::is_possible(&with_version(), &calls);
        let found = matches!(check(&with_version(), &calls), Verdict::Linearizable { .. });
        assert_eq!(found, expected, "seed {seed}: {calls:#?}");
        possible[usize::from(expected)] += 1;
    }
    assert!(possible.iter().all(|number| *number > 300), "{possible:?}");
}
