#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| key_backup_api::fuzzing::query(data));
