#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rminer_stratum::dialect::kaspa::fuzz_kaspa(data));
