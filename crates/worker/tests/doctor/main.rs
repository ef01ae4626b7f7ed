//! What an operator is told: by `doctor`, by `check-config`, and by a start with a wrong configuration.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod check_config;
mod deployment;
mod grants;
mod mas;
mod support;
mod wrong_configs;
