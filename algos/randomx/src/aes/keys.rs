//! Constants of specs 3.2 to 3.4; each is the Blake2b digest of a sentence that its test quotes.

/// Keys of AesGenerator1R, one for each column (specs 3.2).
pub(super) const GENERATOR_1R: [u8; 64] = block([
    0x53a5ac6d_09667162_2b55b5db_1749f4b4,
    0x07af7c6d_0d716a84_78d32517_4edca10d,
    0xf162123f_c67e949f_4f79c0f4_45e3203e,
    0x3581ef6a_7c31bab1_884c3116_54911649,
]);

/// Keys of AesGenerator4R, one for each round: of columns 0 and 1, then of columns 2 and 3 (specs 3.3).
pub(super) const GENERATOR_4R: [[u8; 64]; 2] = [
    block([
        0xddaa2164_db3d83d1_2b6d542f_3fd2e599,
        0x50340eb2_553f91b6_539df706_e5cddfa5,
        0x04d93e5c_af7b5e51_9f67a40a_bf021c17,
        0x63376285_085d8fe7_853767cd_91d2ded8,
    ]),
    block([
        0x736f82b5_a6a7d6e3_6d8b513d_b4ff9e22,
        0xf36b56c7_d9b3109c_4e4d02e9_d2b772b2,
        0xe7c973f2_8ba365f7_0a66a92b_a7ef3bf6,
        0x09d67c7a_de395891_fdd1060c_2d76b0c0,
    ]),
];

/// The same for coins that kept the four keys from before the specification was final.
pub(super) const GENERATOR_4R_FOUR_KEYS: [[u8; 64]; 2] = [FOUR_KEYS; 2];

const FOUR_KEYS: [u8; 64] = block([
    0x5d4690f8_a6e4fb7f_b7821f14_959e35cf,
    0x50c4556a_8a27e8fe_c35a5cbd_dcff4167,
    0xa4474c11_e4fd24d5_d29a27a7_ac4a323d,
    0x2a3a0c81_ffaea999_d9dbd342_08dbf676,
]);

/// State of AesHash1R at the start (specs 3.4).
pub(super) const HASH_STATE: [u8; 64] = block([
    0x0d2cb592_de56a89f_47db82cc_ad3a98d7,
    0x6e998d33_98b7c715_5a129ef5_5780e7ac,
    0x1700776a_d0c762ae_6b507950_e47ca0e8,
    0x0c240a63_8d82ad07_0500a179_4849997e,
]);

/// Keys of the two rounds behind the last block of AesHash1R (specs 3.4).
pub(super) const HASH_LAST: [[u8; 16]; 2] = [
    0x8983faf6_9f94248b_bf56dc90_01028906_u128.to_be_bytes(),
    0xd163b261_3ce0f451_c64310ee_9bf918ed_u128.to_be_bytes(),
];

/// Four columns, written as the specification prints their bytes.
const fn block(columns: [u128; 4]) -> [u8; 64] {
    let mut bytes = [0; 64];
    let mut at = 0;
    while at < 64 {
        bytes[at] = columns[at / 16].to_be_bytes()[at % 16];
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use blake2b_simd::{Params, blake2b};

    use super::*;

    #[test]
    fn constants_are_digests_of_their_sentences() {
        let digest = |sentence: &str| *blake2b(sentence.as_bytes()).as_array();
        assert_eq!(GENERATOR_1R, digest("RandomX AesGenerator1R keys"));
        assert_eq!(GENERATOR_4R[0], digest("RandomX AesGenerator4R keys 0-3"));
        assert_eq!(GENERATOR_4R[1], digest("RandomX AesGenerator4R keys 4-7"));
        assert_eq!(FOUR_KEYS, digest("RandomX AesGenerator4R keys"));
        assert_eq!(HASH_STATE, digest("RandomX AesHash1R state"));
        let short = Params::new().hash_length(32).hash(b"RandomX AesHash1R xkeys");
        assert_eq!(HASH_LAST.as_flattened(), short.as_bytes());
    }
}
