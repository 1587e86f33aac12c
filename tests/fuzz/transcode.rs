//! Generates records, guided by code coverage. The plan and the oracle have to agree on each record.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| generic_consumer::transcode::tests::fuzz::agree(data));
