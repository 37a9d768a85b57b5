//! The two ways to round against each other, and against the figures of the reference's tests.

use super::*;

/// A generator of test operands (SplitMix64).
#[cfg(target_arch = "x86_64")]
struct Random(u64);

#[cfg(target_arch = "x86_64")]
impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number with an exponent in `exponents`, with few or many bits in its fraction.
    fn number(&mut self, exponents: std::ops::Range<i32>, signed: bool) -> f64 {
        let span = u64::try_from(exponents.end - exponents.start).unwrap();
        let exponent = i64::from(exponents.start) + i64::try_from(self.next() % span).unwrap() + 1023;
        let fraction = self.next() >> 12;
        let kept = self.next() % 53;
        let fraction = match self.next() % 4 {
            0 => fraction >> kept << kept,
            1 => fraction >> kept,
            2 => !(fraction >> kept) & ((1 << 52) - 1),
            _ => fraction,
        };
        let sign = if signed { self.next() & 1 << 63 } else { 0 };
        f64::from_bits(sign | u64::try_from(exponent).unwrap() << 52 | fraction)
    }
}

#[cfg(target_arch = "x86_64")]
fn same(what: &str, rounding: Rounding, operands: [Pair; 2], hard: Pair, soft: Pair) {
    assert_eq!(hard.map(f64::to_bits), soft.map(f64::to_bits), "{what} {rounding:?} {operands:?}");
}

#[cfg(target_arch = "x86_64")]
fn sums_agree(left: Pair, right: Pair) {
    for rounding in Rounding::ALL {
        let (hard, soft) = (x86::add(rounding, left, right), soft::add(rounding, left, right));
        same("add", rounding, [left, right], hard, soft);
        same("add", rounding, [left, right], add(rounding, left, right), soft);
        let (hard, soft) = (x86::subtract(rounding, left, right), soft::subtract(rounding, left, right));
        same("subtract", rounding, [left, right], hard, soft);
        same("subtract", rounding, [left, right], subtract(rounding, left, right), soft);
    }
}

#[cfg(target_arch = "x86_64")]
fn products_agree(left: Pair, right: Pair) {
    for rounding in Rounding::ALL {
        let (hard, soft) = (x86::multiply(rounding, left, right), soft::multiply(rounding, left, right));
        same("multiply", rounding, [left, right], hard, soft);
        same("multiply", rounding, [left, right], multiply(rounding, left, right), soft);
        let (hard, soft) = (x86::divide(rounding, left, right), soft::divide(rounding, left, right));
        same("divide", rounding, [left, right], hard, soft);
        same("divide", rounding, [left, right], divide(rounding, left, right), soft);
        let (hard, soft) = (x86::square_root(rounding, left), soft::square_root(rounding, left));
        same("square root", rounding, [left, left], hard, soft);
        same("square root", rounding, [left, left], square_root(rounding, left), soft);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn software_rounds_sums_as_the_processor_does() {
    let mut random = Random(1);
    for _ in 0..200_000 {
        let mut pair = |exponents| [random.number(exponents, true), random.number(-60..60, true)];
        let (left, right) = (pair(-60..60), pair(-5..50));
        sums_agree(left, right);
        // Close to each other: most digits cancel.
        sums_agree(left, [left[0].next_up(), -right[1]]);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn software_rounds_products_as_the_processor_does() {
    let mut random = Random(2);
    for _ in 0..200_000 {
        // The range of group E under long products and quotients, and the two kinds of right operand.
        let left = [random.number(-640..1023, false), random.number(-260..260, false)];
        products_agree(left, [random.number(0..32, false), random.number(-256..1, false)]);
    }
}

/// Group F holds zeroes of both signs, whole numbers, and the tiny number that FSCAL_R makes of zero; group E
/// reaches infinity.
#[cfg(target_arch = "x86_64")]
#[test]
fn software_treats_edges_as_the_processor_does() {
    let tiny = f64::from_bits(0x00f0 << 48);
    let mut sums = vec![0.0, 1.0, 1.0f64.next_up(), 1.0f64.next_down(), 3.0e14, tiny, f64::EPSILON];
    sums.extend([2_147_483_647.0, 2_147_483_648.0, f64::MAX, f64::INFINITY]);
    let negative: Vec<f64> = sums.iter().map(|number| -number).collect();
    sums.extend(negative);
    for &left in &sums {
        for &right in &sums {
            if (left + right).is_nan() || (left - right).is_nan() {
                continue;
            }
            sums_agree([left, right], [right, left]);
        }
    }
    let left = [1.0, 1.0e150, f64::MAX.next_down(), f64::MAX, f64::INFINITY, 2.0f64.powi(-640)];
    for left in left {
        for right in [1.0, 2.0f64.powi(-255), 2.0f64.next_down(), 4_294_967_295.9, 1.0f64.next_up()] {
            products_agree([left, 1.0], [right, right]);
        }
    }
}

/// The control register is as it was.
#[cfg(target_arch = "x86_64")]
#[test]
fn rounding_stays_the_default_outside() {
    let third = std::hint::black_box(1.0) / std::hint::black_box(3.0);
    for rounding in Rounding::ALL {
        divide(rounding, [1.0; 2], [3.0; 2]);
        assert_eq!(std::hint::black_box(1.0) / std::hint::black_box(3.0), third, "{rounding:?}");
    }
}

fn pair(bits: [u64; 2]) -> Pair {
    bits.map(f64::from_bits)
}

/// As the tests of the reference write their results: sixteen bytes in memory order.
fn assert_bytes(result: Pair, expected: u128) {
    let [low, high] = result.map(f64::to_bits);
    assert_eq!((u128::from(high) << 64 | u128::from(low)).swap_bytes(), expected, "{result:?}");
}

/// Operands and results are those of the reference's own tests of instructions.
#[test]
fn results_are_those_of_the_reference() {
    use Rounding::{Down, Nearest, Up, Zero};
    let (left, right) = (
        pair([0xc1ce_30b3_c422_3576, 0x3ffd_2c97_cc4e_f015]),
        pair([0x40b8_f684_057a_59e1, 0x402a_26a8_6a60_c8fb]),
    );
    for (rounding, expected) in [
        (Nearest, 0xb932_e048_a730_cec1_fea6_ea63_3bcc_2d40),
        (Down, 0xb932_e048_a730_cec1_fda6_ea63_3bcc_2d40),
        (Up, 0xb832_e048_a730_cec1_fea6_ea63_3bcc_2d40),
        (Zero, 0xb832_e048_a730_cec1_fda6_ea63_3bcc_2d40),
    ] {
        assert_bytes(add(rounding, left, right), expected);
        assert_bytes(soft::add(rounding, left, right), expected);
    }
    let (left, right) = (
        pair([0x40fd_fdab_b617_3d07, 0x41db_c35c_ef24_8783]),
        pair([0x41c4_5612_12ae_2d50, 0x40eb_a861_aa31_c7c0]),
    );
    for (rounding, expected) in [
        (Nearest, 0x6969_7aff_350f_d342_2f15_89cd_ecfe_d742),
        (Down, 0x6969_7aff_350f_d342_2e15_89cd_ecfe_d742),
        (Zero, 0x6969_7aff_350f_d342_2e15_89cd_ecfe_d742),
        (Up, 0x6a69_7aff_350f_d342_2f15_89cd_ecfe_d742),
    ] {
        assert_bytes(multiply(rounding, left, right), expected);
        assert_bytes(soft::multiply(rounding, left, right), expected);
    }
    let value = pair([0x4052_6a7e_778d_9824, 0x41b6_b21c_11af_fea7]);
    for (rounding, expected) in [
        (Nearest, 0xe81f_300b_612a_2140_8dba_a33f_570e_d340),
        (Down, 0xe81f_300b_612a_2140_8cba_a33f_570e_d340),
        (Zero, 0xe81f_300b_612a_2140_8cba_a33f_570e_d340),
        (Up, 0xe91f_300b_612a_2140_8dba_a33f_570e_d340),
    ] {
        assert_bytes(square_root(rounding, value), expected);
        assert_bytes(soft::square_root(rounding, value), expected);
    }
}
