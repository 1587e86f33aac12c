//! Records made by coverage: the plan and its plain twin have to agree about each.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| generic_consumer::transcode::tests::fuzz::agree(data));
