//! The key-backup worker: command line, configuration, listeners and life cycle.
