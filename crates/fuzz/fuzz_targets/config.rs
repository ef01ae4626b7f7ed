#![no_main]

use std::{path::Path, sync::LazyLock};

use tempfile::TempDir;

/// In memory where the system has such a place: each run writes files.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder can be made")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| key_backup_worker::config::fuzzing::files(FOLDER.path(), data));
