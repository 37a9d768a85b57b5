//! Arithmetic of double precision in the four rounding modes of the machine (specs 4.3 and 5.3).
//!
//! Rust knows one rounding mode and may assume it. On x86-64 the others are set only while a single operation runs;
//! elsewhere the operation is done as usual and its exact error decides whether the result has to move by one step.
//! No program of the machine meets a NaN or a denormal number (specs 5.3), so both ways agree on all that occurs.

#[cfg(any(test, not(target_arch = "x86_64")))]
mod soft;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

#[cfg(not(target_arch = "x86_64"))]
use soft as directed;
#[cfg(target_arch = "x86_64")]
use x86 as directed;

/// Two numbers of a floating-point register.
pub type Pair = [f64; 2];

/// Where results that lie between two numbers go: the register `fprc` (specs 4.3, table 4.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// 0: to the nearest number, of two the even one.
    #[default]
    Nearest,
    /// 1: towards negative infinity.
    Down,
    /// 2: towards positive infinity.
    Up,
    /// 3: towards zero.
    Zero,
}

impl Rounding {
    /// All, by their number.
    pub const ALL: [Self; 4] = [Self::Nearest, Self::Down, Self::Up, Self::Zero];

    /// The mode of the two lowest bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self::ALL[(bits & 3) as usize]
    }

    /// Its number, 0 to 3.
    pub const fn number(self) -> u32 {
        self as u32
    }
}

/// `left + right`, each half.
pub fn add(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    match rounding {
        Rounding::Nearest => [left[0] + right[0], left[1] + right[1]],
        _ => directed::add(rounding, left, right),
    }
}

/// `left - right`, each half.
pub fn subtract(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    match rounding {
        Rounding::Nearest => [left[0] - right[0], left[1] - right[1]],
        _ => directed::subtract(rounding, left, right),
    }
}

/// `left * right`, each half.
pub fn multiply(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    match rounding {
        Rounding::Nearest => [left[0] * right[0], left[1] * right[1]],
        _ => directed::multiply(rounding, left, right),
    }
}

/// `left / right`, each half.
pub fn divide(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    match rounding {
        Rounding::Nearest => [left[0] / right[0], left[1] / right[1]],
        _ => directed::divide(rounding, left, right),
    }
}

/// The square root of each half.
pub fn square_root(rounding: Rounding, value: Pair) -> Pair {
    match rounding {
        Rounding::Nearest => value.map(f64::sqrt),
        _ => directed::square_root(rounding, value),
    }
}

#[cfg(test)]
mod tests;
