//! A checker that tries everything, for histories of a few calls: no memory, no hints, nothing clever.

use key_backup_torture::{
    Backup,
    call::{Answer, Call, Operation},
};

/// Whether some order of the calls explains every answer.
pub(crate) fn is_possible(backup: &Backup, left: &[Call]) -> bool {
    if left.iter().all(|call| call.answered.is_none()) {
        return true;
    }
    let deadline = left.iter().filter_map(|call| Some(call.answered.as_ref()?.at)).min().unwrap_or(u64::MAX);
    let may_be_next: Vec<usize> = (0..left.len()).filter(|number| left[*number].began <= deadline).collect();
    sets(&may_be_next).iter().any(|set| {
        let (next, rest): (Vec<_>, Vec<_>) =
            left.iter().cloned().enumerate().partition(|(number, _)| set.contains(number));
        let (next, rest): (Vec<Call>, Vec<Call>) =
            (next.into_iter().map(|call| call.1).collect(), rest.into_iter().map(|call| call.1).collect());
        together(backup, &next).is_some_and(|after| is_possible(&after, &rest))
    })
}

/// All sets of these but the empty one.
fn sets(numbers: &[usize]) -> Vec<Vec<usize>> {
    let chosen = |bits: u32| (0..numbers.len()).filter(move |place| bits & (1 << place) != 0);
    (1..1 << numbers.len()).map(|bits| chosen(bits).map(|place| numbers[place]).collect()).collect()
}

/// The backup after these calls at one moment, if that explains their answers: one call of any kind, or uploads to the current version.
fn together(backup: &Backup, calls: &[Call]) -> Option<Backup> {
    let mut after = backup.clone();
    let answer = match calls {
        [call] => after.apply(&call.operation),
        uploads => {
            let current = backup.current()?;
            let contents = after.versions.get_mut(&current)?;
            let mut changed = false;
            for call in uploads {
                match &call.operation {
                    Operation::Upload { version, keys } if *version == current => {
                        changed |= contents.merge(keys);
                    }
                    _ => return None,
                }
            }
            contents.etag += u64::from(changed);
            Answer::Changed { etag: contents.etag, count: contents.count() }
        }
    };
    let fits = |call: &Call| call.answered.as_ref().is_none_or(|answered| answered.answer == answer);
    calls.iter().all(fits).then_some(after)
}
