//! Differences as the sequences state them, and the comparison.

use serde_json::{Value, json};

use super::{
    answer::{INCIDENTAL, Parts, no_answer},
    known::Known,
};

/// The parts of an answer that a sequence states: those that differ, and others as it likes.
pub(crate) type Answered = Parts;

/// How two answers differ.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) known: Known,
    pub(crate) synapse: Answered,
    pub(crate) worker: Answered,
}

/// A status and a body.
pub(crate) fn answered(status: u16, body: Value) -> Answered {
    Parts::from([("status".to_owned(), status.into()), ("body".to_owned(), body)])
}

/// A Matrix error.
pub(crate) fn error(status: u16, errcode: &str, error: &str) -> Answered {
    answered(status, json!({ "errcode": errcode, "error": error }))
}

/// What Synapse answers where its code fails.
pub(crate) fn internal_server_error() -> Answered {
    error(500, "M_UNKNOWN", "Internal server error")
}

/// The connection closed without an answer.
pub(crate) fn nothing() -> Answered {
    no_answer()
}

/// A request that is refused before anybody knows what it wants.
pub(crate) fn bad_request() -> Answered {
    answered(400, Value::Null)
}

/// One header, or its absence.
pub(crate) fn header(name: &str, value: Option<&str>) -> Answered {
    Parts::from([(name.to_owned(), value.into())])
}

/// What is wrong with a pair of answers, line by line; nothing if they are as they shall be.
pub(crate) fn check(synapse: &Parts, worker: &Parts, stated: Option<&Difference>) -> Vec<String> {
    let mut unstated = differing(synapse, worker);
    unstated.retain(|name| !INCIDENTAL.contains(name));
    let mut problems = Vec::new();
    if let Some(stated) = stated {
        unstated.retain(|name| !stated.synapse.contains_key(*name) && !stated.worker.contains_key(*name));
        if stated.synapse == stated.worker {
            problems.push("the step states a difference that is none".to_owned());
        }
        problems.extend(unlike("Synapse", synapse, &stated.synapse));
        problems.extend(unlike("the worker", worker, &stated.worker));
    }
    problems.extend(unstated.into_iter().map(|name| {
        let (synapse, worker) = (part(synapse, name), part(worker, name));
        format!("{name}: Synapse answers {synapse:.300}, the worker {worker:.300}")
    }));
    problems
}

/// The parts that are not as stated.
fn unlike(who: &str, observed: &Parts, stated: &Parts) -> Vec<String> {
    let unlike = stated.iter().filter(|(name, value)| part(observed, name) != *value);
    let line = |(name, value): (&String, &Value)| {
        format!("{name}: {who} answers {:.300}, stated is {value:.300}", part(observed, name))
    };
    unlike.map(line).collect()
}

/// The names of the parts that differ. Where one gives no answer, or only a bare status because it could not read the
/// request, there are no headers to compare.
fn differing<'a>(synapse: &'a Parts, worker: &'a Parts) -> Vec<&'a str> {
    let both = |test: fn(&Parts) -> bool| test(synapse) && test(worker);
    let names: &[&str] = if !both(is_answer) {
        &["answer"]
    } else if !both(is_read) {
        &["status", "body"]
    } else {
        &[]
    };
    let mut differing: Vec<&str> = synapse.keys().chain(worker.keys()).map(String::as_str).collect();
    differing.sort_unstable();
    differing.dedup();
    differing.retain(|name| {
        part(synapse, name) != part(worker, name) && (names.is_empty() || names.contains(name))
    });
    differing
}

fn is_answer(parts: &Parts) -> bool {
    !parts.contains_key("answer")
}

/// Whether the answer is that of the API and not of the HTTP server around it.
fn is_read(parts: &Parts) -> bool {
    parts.contains_key("access-control-allow-origin") || part(parts, "status") == 200
}

fn part<'a>(parts: &'a Parts, name: &str) -> &'a Value {
    parts.get(name).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(synapse: Answered, worker: Answered) -> Difference {
        Difference { known: Known::MergeRule, synapse, worker }
    }

    #[test]
    fn equal_answers_are_right_unless_a_difference_is_stated() {
        let answer = answered(200, json!({ "etag": "1" }));
        assert!(check(&answer, &answer, None).is_empty());
        let stated = differs(answered(200, json!({ "etag": "2" })), answer.clone());
        assert_eq!(check(&answer, &answer, Some(&stated)).len(), 1);
    }

    #[test]
    fn unequal_answers_are_wrong_unless_just_this_difference_is_stated() {
        let (synapse, worker) = (internal_server_error(), error(400, "M_BAD_JSON", "x"));
        assert_eq!(check(&synapse, &worker, None).len(), 2);
        assert!(check(&synapse, &worker, Some(&differs(synapse.clone(), worker.clone()))).is_empty());
        let other = differs(synapse.clone(), error(400, "M_BAD_JSON", "y"));
        assert_eq!(check(&synapse, &worker, Some(&other)).len(), 1);
        let only_status = differs(
            Parts::from([("status".to_owned(), 500.into())]),
            Parts::from([("status".to_owned(), 400.into())]),
        );
        assert_eq!(check(&synapse, &worker, Some(&only_status)).len(), 1);
    }

    #[test]
    fn a_header_that_one_of_them_leaves_out_is_a_difference() {
        let with = |mut parts: Parts| {
            parts.extend(header("access-control-allow-origin", Some("*")));
            parts
        };
        let synapse = with(answered(200, json!({})));
        let mut worker = synapse.clone();
        worker.remove("access-control-allow-origin");
        assert_eq!(check(&synapse, &worker, None).len(), 1);
    }
}
