//! How much one core carries, and how many cores a homeserver needs: computed from the CPU time of the requests that were measured.

use std::fmt::Write;

use super::{
    measured::{Both, Measured},
    tables::figure,
};

/// Traffic that is assumed, not measured: requests of an active user in a day, by the work that stands for them.
///
/// The proportions follow what clients do: every device uploads every session that it gets, so that about half of what is
/// uploaded is known; a new login asks for single keys by the thousand, or restores all.
const DAY: [(&str, f64); 7] = [
    ("poll-10k", 6.0),
    ("get", 50.0),
    ("put-1-new", 40.0),
    ("put-1-known", 40.0),
    ("put-100-new", 0.2),
    ("delete-key", 0.01),
    ("restore-10k", 0.02),
];

/// How much busier the busiest moment is than the mean of a day; assumed, too.
const PEAK: f64 = 5.0;

/// How busy a core should be in that moment.
const BUSY: f64 = 0.5;

const USERS: [(&str, f64); 3] = [("10,000", 1e4), ("100,000", 1e5), ("10 million", 1e7)];

/// Milliseconds of CPU that a request takes.
struct Cost {
    server: Both<f64>,
    database: Both<f64>,
}

fn cost(measured: &Measured) -> Cost {
    Cost {
        server: measured.medians(|sample| sample.per_request(sample.server_cpu)),
        database: measured.medians(|sample| sample.per_request(sample.database_cpu)),
    }
}

/// Requests per second that one core is enough for.
pub(super) fn per_core(all: &[Measured]) -> String {
    let mut table = String::from(
        "| requests/s | one core of this worker | one core of PostgreSQL under it | one core of Synapse's worker | one core of PostgreSQL under that |\n\
         |---|---|---|---|---|\n",
    );
    for measured in all {
        let Cost { server, database } = cost(measured);
        let [worker, below, synapse, below_synapse] =
            [server.worker, database.worker, server.synapse, database.synapse].map(|ms| figure(1000.0 / ms));
        let _ = writeln!(table, "| {} | {worker} | {below} | {synapse} | {below_synapse} |", measured.name);
    }
    table
}

/// The assumptions and what follows from them; `None` if a work that they name was not measured.
pub(super) fn sizing(all: &[Measured]) -> Option<String> {
    let mut text = String::from("Assumed for each active user and day:\n\n");
    let mut sum = Cost { server: Both::default(), database: Both::default() };
    for (id, times) in DAY {
        let measured = all.iter().find(|measured| measured.id == id)?;
        let Cost { server, database } = cost(measured);
        sum.server.synapse += server.synapse * times;
        sum.server.worker += server.worker * times;
        sum.database.synapse += database.synapse * times;
        sum.database.worker += database.worker * times;
        let _ = writeln!(text, "- {times} × {}", measured.name);
    }
    let requests: f64 = DAY.iter().map(|(_, times)| times).sum();
    let _ = write!(
        text,
        "\nand that the busiest moment sees {PEAK} times the mean, in which cores should be busy to {:.0} %.\n\n\
         | active users | requests/s at the peak | cores of this worker | cores of PostgreSQL under it | cores of Synapse's workers | cores of PostgreSQL under those |\n\
         |---|---|---|---|---|---|\n",
        BUSY * 100.0
    );
    for (name, users) in USERS {
        let per_second = users * PEAK / 86_400.0;
        let [worker, below, synapse, below_synapse] =
            [sum.server.worker, sum.database.worker, sum.server.synapse, sum.database.synapse]
                .map(|ms| cores(per_second * ms / 1000.0 / BUSY));
        let rate = figure(per_second * requests);
        let _ = writeln!(text, "| {name} | {rate} | {worker} | {below} | {synapse} | {below_synapse} |");
    }
    Some(text)
}

fn cores(cores: f64) -> String {
    if cores < 0.095 {
        format!("{cores:.3}")
    } else if cores < 0.95 {
        format!("{cores:.2}")
    } else {
        figure(cores)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::measured::tests::measured, *};

    #[test]
    fn a_core_carries_what_the_cpu_time_of_a_request_lets_it() {
        let table = per_core(&[measured("poll", &[40], &[2])]);
        assert!(table.ends_with("| poll | 500 | 1000 | 25 | 50 |\n"), "{table}");
    }

    #[test]
    fn sizes_follow_from_the_assumed_traffic() {
        let mut all: Vec<_> = DAY.iter().map(|(id, _)| measured(id, &[100], &[10])).collect();
        // 136.23 requests a day of 10 ms, 5 times the mean, half idle: 10 million users need 1577 cores.
        let text = sizing(&all).unwrap();
        assert!(text.contains("| 10 million | 78837 | 1577 | 788 | 15767 | 7884 |"), "{text}");
        all.pop();
        assert!(sizing(&all).is_none());
    }
}
