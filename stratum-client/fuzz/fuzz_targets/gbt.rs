#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rminer_stratum::dialect::gbt::fuzz_gbt(data));
