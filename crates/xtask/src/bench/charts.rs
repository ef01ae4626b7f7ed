//! What the charts show.

use super::{
    measured::{Both, Measured},
    svg::{Bar, Group, SYNAPSE, SYNAPSE_DATABASE, WORKER, WORKER_DATABASE, chart},
    tables::{figure, mebibytes, milliseconds},
};
use crate::traffic::percentile;

/// The charts with the names of their files.
pub(super) fn all(measured: &[Measured]) -> [(&'static str, String); 4] {
    let restores: Vec<&Measured> = measured.iter().filter(|measured| measured.is_restore).collect();
    [
        ("throughput.svg", throughput(measured)),
        ("cpu.svg", cpu(measured)),
        ("memory.svg", memory(&restores)),
        ("first-byte.svg", first_byte(&restores)),
    ]
}

/// Powers of ten have the same distance: the ratios go from a few to several hundred.
fn throughput(measured: &[Measured]) -> String {
    let most = measured.iter().map(|measured| ratio(measured).max(1.0)).fold(10.0, f64::max).log10();
    let group = |measured: &Measured| {
        let ratio = ratio(measured);
        let label = format!("{} ×", figure(ratio));
        let parts = vec![(ratio.max(1.0).log10() / most, WORKER)];
        Group { name: measured.name.clone(), bars: vec![Bar { parts, label }] }
    };
    let groups: Vec<Group> = measured.iter().map(group).collect();
    chart("Throughput, as a multiple of Synapse's worker (logarithmic)", &[(WORKER, "this worker")], &groups)
}

fn ratio(measured: &Measured) -> f64 {
    measured.ratio(|sample| sample.load.throughput()).median
}

/// Synapse's worker and its database fill the width.
fn cpu(measured: &[Measured]) -> String {
    let group = |measured: &Measured| {
        let server = measured.medians(|sample| sample.per_request(sample.server_cpu));
        let database = measured.medians(|sample| sample.per_request(sample.database_cpu));
        let whole = (server.synapse + database.synapse).max(server.worker + database.worker);
        let bar = |server: f64, database: f64, colours: [&'static str; 2]| Bar {
            parts: vec![(server / whole, colours[0]), (database / whole, colours[1])],
            label: format!("{} + {} ms", milliseconds(server), milliseconds(database)),
        };
        Group {
            name: measured.name.clone(),
            bars: vec![
                bar(server.synapse, database.synapse, [SYNAPSE, SYNAPSE_DATABASE]),
                bar(server.worker, database.worker, [WORKER, WORKER_DATABASE]),
            ],
        }
    };
    let groups: Vec<Group> = measured.iter().map(group).collect();
    let legend = [
        (SYNAPSE, "Synapse's worker"),
        (SYNAPSE_DATABASE, "+ its PostgreSQL"),
        (WORKER, "this worker"),
        (WORKER_DATABASE, "+ its PostgreSQL"),
    ];
    chart("CPU time of one request, worker + PostgreSQL", &legend, &groups)
}

fn memory(restores: &[&Measured]) -> String {
    let of = |measured: &Measured| {
        measured.memory_growth.map(|bytes| {
            let kibibytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
            (f64::from(kibibytes), format!("{} MiB", mebibytes(*bytes)))
        })
    };
    compared("Memory that a restore takes", restores, of)
}

fn first_byte(restores: &[&Measured]) -> String {
    let of = |measured: &Measured| {
        let times =
            measured.medians(|sample| percentile(&sample.load.first_bytes, 50).as_secs_f64() * 1000.0);
        times.map(|time| (*time, format!("{} ms", milliseconds(*time))))
    };
    compared("Time to the first byte of a restore", restores, of)
}

/// Two bars for each restore, all on one scale.
fn compared(title: &str, restores: &[&Measured], of: impl Fn(&Measured) -> Both<(f64, String)>) -> String {
    let values: Vec<_> = restores.iter().map(|measured| (measured.name.clone(), of(measured))).collect();
    let most = values.iter().map(|(_, both)| both.synapse.0.max(both.worker.0)).fold(1.0, f64::max);
    let groups: Vec<Group> = values
        .into_iter()
        .map(|(name, both)| {
            let bar =
                |(value, label): (f64, String), colour| Bar { parts: vec![(value / most, colour)], label };
            Group { name, bars: vec![bar(both.synapse, SYNAPSE), bar(both.worker, WORKER)] }
        })
        .collect();
    chart(title, &[(SYNAPSE, "Synapse's worker"), (WORKER, "this worker")], &groups)
}
