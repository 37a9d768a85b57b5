#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rminer_algos::fuzz_target(data));
