//! Directed rounding from the exact error of the result that is rounded to nearest.
//!
//! The error of a sum is a number itself, and so are the remainders of a product, a quotient and a root as long as
//! they are not denormal. A sign of the error that points away from the wanted side moves the result by one step.

use super::{Pair, Rounding};

/// `left + right`, each half.
pub(super) fn add(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    [add_one(rounding, left[0], right[0]), add_one(rounding, left[1], right[1])]
}

/// `left - right`, each half.
pub(super) fn subtract(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    [add_one(rounding, left[0], -right[0]), add_one(rounding, left[1], -right[1])]
}

/// `left * right`, each half.
pub(super) fn multiply(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    let one = |left: f64, right: f64| {
        let product = left * right;
        if product.is_infinite() {
            return overflow(rounding, product, left.is_infinite() || right.is_infinite());
        }
        step(rounding, product, left.mul_add(right, -product))
    };
    [one(left[0], right[0]), one(left[1], right[1])]
}

/// `left / right`, each half; `right` is neither zero nor infinite.
pub(super) fn divide(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    let one = |left: f64, right: f64| {
        let quotient = left / right;
        if quotient.is_infinite() {
            return overflow(rounding, quotient, left.is_infinite());
        }
        let remainder = (-quotient).mul_add(right, left);
        step(rounding, quotient, if right < 0.0 { -remainder } else { remainder })
    };
    [one(left[0], right[0]), one(left[1], right[1])]
}

/// The square root of each half; none is negative.
pub(super) fn square_root(rounding: Rounding, value: Pair) -> Pair {
    value.map(|value| {
        let root = value.sqrt();
        if root.is_infinite() {
            return root;
        }
        step(rounding, root, (-root).mul_add(root, value))
    })
}

/// The sum of two numbers.
fn add_one(rounding: Rounding, left: f64, right: f64) -> f64 {
    let sum = left + right;
    if sum.is_infinite() {
        return overflow(rounding, sum, left.is_infinite() || right.is_infinite());
    }
    if sum == 0.0 && rounding == Rounding::Down && (left != 0.0 || left.to_bits() != right.to_bits()) {
        // Opposite numbers cancel to the zero on the side that is rounded to.
        return -0.0;
    }
    // Knuth's two-sum: what of each summand did not get into the sum.
    let right_part = sum - left;
    let left_part = sum - right_part;
    step(rounding, sum, (left - left_part) + (right - right_part))
}

/// The result whose exact value is `result + error`.
fn step(rounding: Rounding, result: f64, error: f64) -> f64 {
    let down = match rounding {
        Rounding::Nearest => return result,
        Rounding::Down => true,
        Rounding::Up => false,
        Rounding::Zero => result > 0.0,
    };
    if down && error < 0.0 {
        result.next_down()
    } else if !down && error > 0.0 {
        result.next_up()
    } else {
        result
    }
}

/// An infinite result: exact when an operand was infinite, else too large, and then the largest number where the
/// rounding goes towards zero.
fn overflow(rounding: Rounding, infinity: f64, exact: bool) -> f64 {
    let stays = match rounding {
        Rounding::Nearest => true,
        Rounding::Down => infinity < 0.0,
        Rounding::Up => infinity > 0.0,
        Rounding::Zero => false,
    };
    if exact || stays { infinity } else { f64::MAX.copysign(infinity) }
}
