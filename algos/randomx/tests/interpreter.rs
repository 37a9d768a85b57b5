//! The interpreter over dataset items of the C library: the published hashes of both versions.
//! Nothing else of the crate takes part, so what fails here is the interpreter.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod oracle;

use oracle::Oracle;
use rminer_randomx::aes::Aes;
use rminer_randomx::config::{RX_0, RX_2};
use rminer_randomx::interpreter::Interpreter;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn published_hashes_come_out() {
    let oracle = Oracle::new(b"test key 000", 0);
    let mut scratchpad = vec![0; RX_0.scratchpad_l3_bytes];
    for (config, expected) in [
        (&RX_0, "639183aae1bf4c9a35884cb46b09cad9175f04efd7684e7262a0ac1c2f0b4e3f"),
        (&RX_2, "22ec6b861b3eb23686b2efbad69513c967ecfce80983df66c9c5b4fbfb4cdb6f"),
    ] {
        let mut interpreter = Interpreter::new(config);
        for aes in Aes::available() {
            let hash =
                interpreter.hash(b"This is a test", &mut scratchpad, aes, |number| oracle.item(number));
            assert_eq!(hex(&hash), expected, "{} with {aes}", config.name);
        }
    }
}
