//! The tables of figures, in Markdown.

use std::{fmt::Write, time::Duration};

use super::{
    measured::{Both, Measured, Sample, Spread},
    start::Starts,
};
use crate::traffic::percentile;

/// The ratios: each work in one line.
pub(super) fn ratios(all: &[Measured], starts: Option<&Both<Starts>>) -> String {
    let mut table = String::from(
        "| work | throughput | worker CPU | DB CPU | round trips | memory | first byte | against PostgreSQL's limit |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for measured in all {
        table.push_str(&ratio_row(measured));
        table.push('\n');
    }
    if let Some(growth) = poll_growth(all) {
        table.push('\n');
        table.push_str(&growth);
    }
    if let Some(starts) = starts {
        table.push('\n');
        table.push_str(&start_table(starts));
    }
    table
}

/// A line of the table of ratios.
pub(super) fn ratio_row(measured: &Measured) -> String {
    let throughput = measured.ratio(|sample| sample.load.throughput());
    let cpu = measured.ratio(|sample| sample.per_request(sample.server_cpu)).inverse();
    let database = measured.ratio(|sample| sample.per_request(sample.database_cpu)).inverse();
    let round_trips =
        measured.round_trips.map_or(String::new(), |both| format!("{} : {}", both.worker, both.synapse));
    let memory = measured.memory_growth.map(|bytes| mebibytes(*bytes));
    let first = if measured.is_restore {
        let first = measured
            .medians(|sample| percentile(&sample.load.first_bytes, 50).as_secs_f64() * 1000.0)
            .map(|time| milliseconds(*time));
        format!("{} : {} ms", first.worker, first.synapse)
    } else {
        String::new()
    };
    format!(
        "| {} | **{} ×** ({}–{}) | {} | {} | {round_trips} | {} : {} MiB | {first} | {} |",
        measured.name,
        figure(throughput.median),
        figure(throughput.least),
        figure(throughput.most),
        part(cpu),
        part(database),
        memory.worker,
        memory.synapse,
        limit(measured)
    )
}

/// A part of what Synapse needs: `1/n`, with the spread of `n`. Where the worker needs more, as a multiple.
fn part(spread: Spread) -> String {
    if spread.median.is_infinite() || spread.median.is_nan() {
        return "too little to measure".to_owned();
    }
    let range = format!("({}–{})", figure(spread.least), figure(spread.most));
    if spread.median >= 1.0 {
        format!("1/{} {range}", figure(spread.median))
    } else {
        let more = spread.inverse();
        format!("{} × ({}–{})", figure(more.median), figure(more.least), figure(more.most))
    }
}

/// A restore as a multiple of the time of a COPY, all else as the part of pgbench's throughput.
fn limit(measured: &Measured) -> String {
    match measured.of_limit() {
        None => String::new(),
        Some(ratio) if measured.is_restore => {
            let time = ratio.inverse();
            format!("{:.2} × the time of COPY ({:.2}–{:.2})", time.median, time.least, time.most)
        }
        Some(ratio) => {
            format!("{:.2} of pgbench ({:.2}–{:.2})", ratio.median, ratio.least, ratio.most)
        }
    }
}

/// How much dearer a poll gets with the size of the backup.
fn poll_growth(all: &[Measured]) -> Option<String> {
    let find = |id: &str| all.iter().find(|measured| measured.id == id);
    let cost = |measured: &Measured| measured.medians(Sample::whole_cpu);
    let (none, many) = (cost(find("poll-0")?), cost(find("poll-100k")?));
    let percent = |none: f64, many: f64| format!("{:+.0} %", (many / none - 1.0) * 100.0);
    Some(format!(
        "From 0 to 100k keys, the CPU time of a version poll in worker and PostgreSQL changes by {} (Synapse's: {}).\n",
        percent(none.worker, many.worker),
        percent(none.synapse, many.synapse)
    ))
}

fn start_table(starts: &Both<Starts>) -> String {
    let Both { synapse, worker } = starts;
    format!(
        "| | this worker | Synapse's worker | |\n|---|---|---|---|\n\
         | start to `/health`, s | {:.2} | {:.2} | 1/{} |\n| memory when idle, MiB | {:.1} | {:.1} | 1/{} |\n",
        worker.seconds(),
        synapse.seconds(),
        figure(synapse.seconds() / worker.seconds()),
        worker.idle(),
        synapse.idle(),
        figure(synapse.idle() / worker.idle())
    )
}

/// The figures behind the ratios: medians over the rounds, Synapse's worker and then ours.
pub(super) fn absolute(all: &[Measured]) -> String {
    let mut table = String::from(
        "| work | at once | worker | requests/s | p50 ms | p99 ms | worker CPU ms | DB CPU ms | Redis CPU ms | load CPU ms | WAL kB | write transactions | PostgreSQL alone /s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for measured in all {
        let alone = Spread::of(measured.limit.iter().map(|limit| limit.per_second)).median;
        let alone = if alone.is_nan() { String::new() } else { figure(alone) };
        for (who, samples, alone) in [
            ("Synapse's", &measured.samples.synapse, String::new()),
            ("this", &measured.samples.worker, alone),
        ] {
            let (name, connections) = (&measured.name, measured.connections);
            let figures = absolute_figures(samples);
            let _ = writeln!(table, "| {name} | {connections} | {who} | {figures} | {alone} |");
        }
    }
    table
}

fn absolute_figures(samples: &[Sample]) -> String {
    let median = |of: &dyn Fn(&Sample) -> f64| Spread::of(samples.iter().map(of)).median;
    let latency = |percent| median(&|sample| seconds(percentile(&sample.load.latencies, percent)) * 1000.0);
    [
        figure(median(&|sample| sample.load.throughput())),
        milliseconds(latency(50)),
        milliseconds(latency(99)),
        milliseconds(median(&|sample| sample.per_request(sample.server_cpu))),
        milliseconds(median(&|sample| sample.per_request(sample.database_cpu))),
        milliseconds(median(&|sample| sample.per_request(sample.redis_cpu))),
        milliseconds(median(&|sample| sample.per_request(sample.load_cpu))),
        figure(median(&|sample| sample.share(sample.written.wal) / 1000.0)),
        format!("{:.2}", median(&|sample| sample.share(sample.written.transactions))),
    ]
    .join(" | ")
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// As many digits as tell something.
pub(super) fn figure(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        0.0 => "0".to_owned(),
        0.0..0.095 => format!("{value:.3}"),
        0.0..0.95 => format!("{value:.2}"),
        0.0..9.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Milliseconds: two digits behind the point where they tell something.
pub(super) fn milliseconds(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        0.0..0.0995 => format!("{value:.3}"),
        ..9.95 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// Mebibytes, one digit behind the point below ten.
pub(super) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() }
}

#[cfg(test)]
mod tests {
    use super::{super::measured::tests::measured, *};

    #[test]
    fn a_line_gives_ratios_to_synapses_worker() {
        let mut measured = measured("GET", &[40, 40, 40], &[10, 10, 8]);
        measured.round_trips = Some(Both { synapse: 6, worker: 1 });
        measured.memory_growth = Both { synapse: 727 << 20, worker: 3 << 19 };
        let row = ratio_row(&measured);
        assert_eq!(
            row,
            "| GET | **1.0 ×** (1.0–1.0) | 1/4.0 (4.0–5.0) | 1/4.0 (4.0–5.0) | 1 : 6 | 1.5 : 727 MiB |  |  |"
        );
    }

    #[test]
    fn what_costs_more_than_synapse_is_a_multiple() {
        assert_eq!(part(Spread { median: 0.5, least: 0.4, most: 1.0 }), "2.0 × (1.0–2.5)");
    }
}
