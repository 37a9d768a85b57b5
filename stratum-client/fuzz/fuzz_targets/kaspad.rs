#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rminer_stratum::dialect::kaspad::fuzz_kaspad(data));
