//! What was measured, for the terminal and for `docs/reliability.md`.

use std::{fmt::Write, time::Duration};

use super::{beside::Beside, crowds::Row};
use crate::traffic::percentile;

/// Throughput beside the best, the first row. Memory and CPU are the worker's; refused after so long at the most.
pub(super) fn crowds(rows: &[Row]) -> String {
    let mut table = String::from(
        "| clients | answers/s | of the best | p50 | p99 | slowest | refused/s | refused after | given up/s | memory | CPU per answer | the load's core |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let best = rows.first().map_or(0.0, |row| row.heard.throughput());
    for row in rows {
        let heard = &row.heard;
        let ([p50, p99, slowest], [_, _, refused]) = (times(&heard.answers), times(&heard.refusals));
        let throughput = heard.throughput();
        let cpu = heard.cpu_per_answer() * 1e6;
        let _ = writeln!(
            table,
            "| {}: {} | {throughput:.0} | {:.0} % | {p50} | {p99} | {slowest} | {:.0} | {refused} | {:.0} | {} | {cpu:.0} µs | {:.0} % busy |",
            row.name,
            row.crowd.connections,
            throughput / best * 100.0,
            heard.refused(),
            heard.given_up(),
            megabytes(row.memory),
            heard.load() * 100.0,
        );
    }
    table
}

/// Busy users alone and beside slow clients, by rounds.
pub(super) fn beside(measured: &Beside) -> String {
    let mut text = String::from("| busy users | answers/s | p50 | p99 | slowest |\n|---|---|---|---|---|\n");
    for (number, round) in measured.rounds.iter().enumerate() {
        for (name, heard) in ["alone", "beside 1,500 slow clients"].iter().zip(round) {
            let [p50, p99, slowest] = times(&heard.answers);
            let (round, throughput) = (number + 1, heard.throughput());
            let _ = writeln!(text, "| {name}, round {round} | {throughput:.0} | {p50} | {p99} | {slowest} |");
        }
    }
    let [before, most] = measured.memory.map(megabytes);
    let [heads, bodies, answers, refused] = measured.ended;
    let _ = write!(
        text,
        "\nMemory of the worker: {before} before, {most} at the most; connections: {}.\n\
         Ended: {heads} that said nothing, {bodies} slow bodies, {answers} slow readers; {refused} readers were refused for want of places.\n",
        measured.connections,
    );
    for (name, bytes, time) in &measured.lines {
        let _ = writeln!(text, "A line of 20 KB/s: {name} of {bytes} bytes in {:.1} s.", time.as_secs_f64());
    }
    text
}

/// Median, 99th percentile and maximum.
fn times(unsorted: &[Duration]) -> [String; 3] {
    let mut sorted = unsorted.to_vec();
    sorted.sort_unstable();
    [50, 99, 100].map(|percent| match sorted.len() {
        0 => "-".to_owned(),
        _ => format!("{:.1} ms", percentile(&sorted, percent).as_secs_f64() * 1000.0),
    })
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
