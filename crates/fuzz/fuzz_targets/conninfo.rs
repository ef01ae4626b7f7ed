#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| key_backup_worker::config::fuzzing::conninfo(data));
