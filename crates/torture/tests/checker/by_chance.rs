//! Histories that the model itself has made are possible; with one wrong figure in them they are not.

use fastrand::Rng;
use key_backup_torture::{
    Backup, Verdict,
    call::{Answer, Answered, Call, Operation, Selection},
    check,
};

use crate::history::{changed, delete, place, read, read_version, restore, upload, with_version};

fn operation(chance: &mut Rng, number: u64) -> Operation {
    let sessions: Vec<(u8, i32)> =
        (0..chance.usize(1..4)).map(|_| (chance.u8(..6), chance.i32(..20))).collect();
    match chance.u8(..12) {
        0 => Operation::CreateVersion { auth_data: number },
        1 => Operation::DeleteVersion { version: chance.u64(1..4) },
        2 => Operation::UpdateAuthData { version: 1, auth_data: number },
        3 => delete(Selection::Session(place(sessions[0].0))),
        4 => read(sessions[0].0),
        5 => restore(),
        6 => read_version(),
        _ => upload(&sessions),
    }
}

/// Each call takes effect at a time of its own, and began and ended around that. Now and then uploads take effect together.
fn history(chance: &mut Rng, length: u64) -> Vec<Call> {
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
        call.answered.take_if(|_| chance.u8(..20) == 0);
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
        let calls = history(&mut Rng::with_seed(seed), 120);
        if let Verdict::Impossible(explanation) = check(&with_version(), &calls) {
            panic!("seed {seed}: {explanation}");
        }
    }
}

#[test]
fn one_wrong_count_is_not() {
    for seed in 0..100 {
        let mut chance = Rng::with_seed(seed);
        let mut calls = history(&mut chance, 40);
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
