//! What holds for all uploads and all keys, tried with generated ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bodies;
mod json;
mod merge;

use proptest::test_runner::{Config, RngSeed};

/// The same cases in every run, unless `PROPTEST_RNG_SEED` names others.
fn config(cases: u32) -> Config {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    match config.rng_seed {
        RngSeed::Random => Config { rng_seed: RngSeed::Fixed(1), ..config },
        RngSeed::Fixed(_) => config,
    }
}
