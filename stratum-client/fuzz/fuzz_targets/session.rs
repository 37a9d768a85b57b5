#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rminer_stratum::session::fuzz_session(data));
