//! Whether a text is a Kaspa address, by the pool's own reading.

/// Networks that have a prefix of their own.
const PREFIXES: [&str; 4] = ["kaspa", "kaspatest", "kaspasim", "kaspadev"];
/// The values of the characters behind the prefix.
const CHARACTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The generator of the checksum.
const GENERATOR: [u64; 5] = [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];

/// Whether the part of a worker's name in front of a point is an address with a right checksum.
pub(super) fn is_address(worker: &str) -> bool {
    let address = worker.split('.').next().unwrap_or_default();
    let Some((prefix, payload)) = address.split_once(':') else { return false };
    if !PREFIXES.contains(&prefix) || !matches!(payload.len(), 61 | 63) {
        return false;
    }
    let value = |character: u8| CHARACTERS.iter().position(|known| *known == character);
    let Some(values) = payload.bytes().map(value).collect::<Option<Vec<usize>>>() else { return false };
    let prefix = prefix.bytes().map(|letter| u64::from(letter & 0x1F)).chain([0]);
    let payload = values.into_iter().filter_map(|value| u64::try_from(value).ok());
    prefix.chain(payload).fold(1, step) == 1
}

/// One character more in the checksum, a polynomial of eight terms modulo the generator.
fn step(sum: u64, value: u64) -> u64 {
    let top = sum >> 35;
    let shifted = (sum & 0x7_ffff_ffff) << 5 ^ value;
    let generators = GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
    generators.fold(shifted, |sum, (_, generator)| sum ^ generator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        // From the address tests of rusty-kaspa.
        let good = [
            "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j",
            "kaspa:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqkx9awp4e",
            "kaspatest:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqhqrxplya",
        ];
        for address in good {
            assert!(is_address(address), "{address}");
            assert!(is_address(&format!("{address}.rig0")), "{address}");
            assert!(!is_address(&address.replace("qq", "qp")) || !address.contains("qq"), "{address}");
            assert!(!is_address(&address.replacen("kaspa", "kaspasim", 1)), "{address}");
        }
        for bad in
            ["", "demo", "kaspa:", "qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j", "kaspa:é"]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
