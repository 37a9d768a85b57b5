//! Every way of computing rounds against the standard, the reference implementation, and each other.

use proptest::prelude::*;

use super::rounds::Column;
use super::*;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    assert_eq!(hex.len(), 2 * N);
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

fn counted<const N: usize>(step: u8) -> [u8; N] {
    let mut next = 0u8.wrapping_sub(step);
    [(); N].map(|()| {
        next = next.wrapping_add(step);
        next
    })
}

fn soft_round(round: fn(Soft, Soft) -> Soft, state: &str, key: &str) -> [u8; 16] {
    let mut out = [0; 16];
    round(Soft::load(&bytes(state)), Soft::load(&bytes(key))).store(&mut out);
    out
}

#[test]
fn rounds_of_the_standard() {
    // FIPS 197, appendix B, round 1; appendix C.1, round 1 of the cipher and of the equivalent inverse cipher.
    let encrypted = [
        (
            "193de3bea0f4e22b9ac68d2ae9f84808",
            "a0fafe1788542cb123a339392a6c7605",
            "a49c7ff2689f352b6b5bea43026a5049",
        ),
        (
            "00102030405060708090a0b0c0d0e0f0",
            "d6aa74fdd2af72fadaa678f1d6ab76fe",
            "89d810e8855ace682d1843d8cb128fe4",
        ),
    ];
    for (state, key, expected) in encrypted {
        assert_eq!(soft_round(Soft::encrypt, state, key), bytes(expected), "{state}");
    }
    let (state, key) = ("7ad5fda789ef4e272bca100b3d9ff59f", "13aa29be9c8faff6f770f58000f7bf03");
    assert_eq!(soft_round(Soft::decrypt, state, key), bytes("54d990a16ba09ab596bbf40ea111702f"));
}

/// Figures of the reference implementation, its own test of the generator among them.
#[test]
fn outputs_of_the_reference() {
    for aes in Aes::available() {
        let mut state = [0; 64];
        state[..32].copy_from_slice(&bytes::<32>(
            "6c19536eb2de31b6c0065f7f116e86f960d8af0c57210a6584c3237b9d064dc7",
        ));
        let mut out = [0; 64];
        aes.fill_scratchpad(&mut state, &mut out);
        let expected: [u8; 32] = bytes("fa89397dd6ca422513aeadba3f124b5540324c4ad4b6db434394307a17c833ab");
        assert_eq!(out[..32], expected, "{aes}");

        let mut out = [0; 4096];
        let mut state = counted(1);
        aes.fill_scratchpad(&mut state, &mut out);
        assert_eq!(state, out[4032..]);
        let expected = "81000011cfd1955b8b25df392513a3acd75eff9560e0cef544fdb644c9d33688\
                        1aa14a1a5066156853ad7d3bc86f1194d1ccaee51093f7be2771ffad178b31b6";
        assert_eq!(state, bytes(expected), "{aes}");

        let mut out = [0; 2176];
        aes.fill_program(Generator::Specified, &mut counted(1), &mut out);
        let expected = "023e9f7911ce57be4e7beed45545cc259a4e55f5a739305aa4f08b3cfa228a9a\
                        4fa48ef32fe65e37b46a4f13920894ca3e14d98d2284a901cfacaa53a78db9c0";
        assert_eq!(out[2112..], bytes::<64>(expected), "{aes}");

        let input: [u8; 4096] = std::array::from_fn(|at| u8::try_from((7 * at + (at >> 8)) & 0xff).unwrap());
        let expected = "c14e22985d8792df96faef2a6e3634a617ff966cdd91a03ab4fc026a43c728c2\
                        b6434406539e2cb3c63facc6b6aa2336d41eee709d34af34c58b15331f89e212";
        assert_eq!(aes.hash(&input), bytes(expected), "{aes}");

        let numbers = |bytes: [u8; 64]| {
            let (words, _) = bytes.as_chunks::<8>();
            [0, 2, 4, 6].map(|at| [f64::from_le_bytes(words[at]), f64::from_le_bytes(words[at + 1])])
        };
        let mut f = numbers(counted(1));
        aes.mix(&mut f, &numbers(counted::<64>(3).map(|byte| !byte)));
        let expected = "13ce9001bf12783f4433963ec98825483a3630f6e11f6a05a41e1294027bd993\
                        6e7b2ec3a48ad3c9ca6f8949f32f40358d07695bb45036e0089d21a410b6b3b5";
        assert_eq!(to_bytes(&f), bytes(expected), "{aes}");
    }
}

#[test]
fn what_is_missing_is_done_by_tables() {
    let input: [u8; 128] = counted(5);
    let expected = Aes::Soft.hash(&input);
    assert!(Aes::ALL.into_iter().all(|aes| aes.hash(&input) == expected));
    assert!(Aes::available().any(|aes| aes == Aes::Soft));
    assert!(Aes::detect().is_available());
}

#[test]
#[should_panic(expected = "blocks of 64 bytes")]
fn parts_of_a_block_are_refused() {
    Aes::detect().hash(&[0; 65]);
}

proptest! {
    #[test]
    fn all_ways_agree(
        blocks in proptest::collection::vec(any::<[u64; 8]>(), 0..200),
        seed: [u64; 8],
        four_keys: bool,
    ) {
        let input: Vec<u8> = blocks.into_iter().flatten().flat_map(u64::to_le_bytes).collect();
        let mut seed_bytes = [0; 64];
        for (bytes, word) in seed_bytes.as_chunks_mut::<8>().0.iter_mut().zip(seed) {
            *bytes = word.to_le_bytes();
        }
        let generator = if four_keys { Generator::FourKeys } else { Generator::Specified };
        let outcomes = |aes: Aes| {
            let (mut fill_state, mut both_state, mut program_state) = (seed_bytes, seed_bytes, seed_bytes);
            let (mut filled, mut both, mut program) = (input.clone(), input.clone(), input.clone());
            aes.fill_scratchpad(&mut fill_state, &mut filled);
            aes.fill_program(generator, &mut program_state, &mut program);
            let fingerprint = aes.hash_and_fill(&mut both, &mut both_state);
            assert_eq!((fingerprint, &both, both_state), (aes.hash(&input), &filled, fill_state), "{aes}");
            let mut f = [[1.5, -2.5], [3e300, 0.0], [f64::MIN_POSITIVE, 5.0], [-7.0, 8.0]];
            aes.mix(&mut f, &[0, 1, 2, 3].map(|at| [f64::from_bits(seed[at]), f64::from_bits(seed[at + 4])]));
            (fingerprint, filled, fill_state, program, program_state, to_bytes(&f))
        };
        let expected = outcomes(Aes::Soft);
        for aes in Aes::available() {
            prop_assert_eq!(outcomes(aes), expected.clone());
        }
    }
}
