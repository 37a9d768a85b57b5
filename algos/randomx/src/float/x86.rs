//! Directed rounding by the control register of x86-64.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{__m128d, _mm_loadu_pd, _mm_storeu_pd};

use super::{Pair, Rounding};

/// Exceptions masked, denormal numbers taken for zero: the state that the reference runs in.
const CONTROL: u32 = 0x9fc0;

/// Position of the rounding mode. Its numbers are those of `fprc`.
const ROUNDING_SHIFT: u32 = 13;

/// The control register for a rounding mode.
pub(crate) fn control_of(rounding: Rounding) -> u32 {
    CONTROL | rounding.number() << ROUNDING_SHIFT
}

/// The rounding mode of a control register.
pub(crate) fn rounding_of(control: u32) -> Rounding {
    Rounding::from_bits(u64::from(control >> ROUNDING_SHIFT))
}

/// One operation of two operands between two settings of the control register.
macro_rules! with_rounding {
    ($instruction:literal, $rounding:ident, $target:ident, $source:ident) => {{
        let control = control_of($rounding);
        let mut before = 0u32;
        let mut target = load($target);
        let source = load($source);
        // SAFETY: SSE2 is part of x86-64. The block reads `control`, writes and reads `before`, both of which
        // outlive it, and leaves the control bits of MXCSR as it found them.
        unsafe {
            asm!(
                "stmxcsr dword ptr [{before}]",
                "ldmxcsr dword ptr [{control}]",
                concat!($instruction, " {target}, {source}"),
                "ldmxcsr dword ptr [{before}]",
                before = in(reg) &raw mut before,
                control = in(reg) &raw const control,
                target = inout(xmm_reg) target,
                source = in(xmm_reg) source,
                options(nostack),
            );
        }
        store(target)
    }};
}

/// `left + right`, each half.
pub(super) fn add(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    with_rounding!("addpd", rounding, left, right)
}

/// `left - right`, each half.
pub(super) fn subtract(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    with_rounding!("subpd", rounding, left, right)
}

/// `left * right`, each half.
pub(super) fn multiply(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    with_rounding!("mulpd", rounding, left, right)
}

/// `left / right`, each half.
pub(super) fn divide(rounding: Rounding, left: Pair, right: Pair) -> Pair {
    with_rounding!("divpd", rounding, left, right)
}

/// The square root of each half.
pub(super) fn square_root(rounding: Rounding, value: Pair) -> Pair {
    with_rounding!("sqrtpd", rounding, value, value)
}

/// A register of two numbers.
fn load(pair: Pair) -> __m128d {
    // SAFETY: SSE2 is part of x86-64, and the pair is 16 bytes that may be read.
    unsafe { _mm_loadu_pd(pair.as_ptr()) }
}

/// The two numbers of a register.
fn store(register: __m128d) -> Pair {
    let mut pair = [0.0; 2];
    // SAFETY: SSE2 is part of x86-64, and the pair is 16 bytes that may be written.
    unsafe { _mm_storeu_pd(pair.as_mut_ptr(), register) };
    pair
}
