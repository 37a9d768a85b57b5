//! Rounds of AES by the cryptographic instructions of aarch64.
#![allow(unsafe_code)]

use std::arch::aarch64::{uint8x16_t, vdupq_n_u8, veorq_u8, vld1q_u8, vst1q_u8};
use std::arch::asm;

use super::rounds::{self, Column};

/// A register. Its functions are inlined into those below, where the instructions are allowed; it is made
/// nowhere else.
#[derive(Clone, Copy)]
struct Register(uint8x16_t);

// The instructions add their key in front of the substitution and leave out the one behind it. So the round of
// the specification is one with a key of zero, and its own key is added after the columns are mixed.
impl Column for Register {
    #[inline(always)]
    fn load(bytes: &[u8; 16]) -> Self {
        // SAFETY: 16 bytes to read, of any alignment. NEON is part of aarch64 as Rust's targets have it.
        Self(unsafe { vld1q_u8(bytes.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 16]) {
        // SAFETY: 16 bytes to write, of any alignment; NEON as in `load`.
        unsafe { vst1q_u8(bytes.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn encrypt(self, key: Self) -> Self {
        let mut state = self.0;
        // SAFETY: only called from functions of this file that are entered with the feature `aes` present. It works
        // on registers alone. Written as text because an intrinsic would not be inlined here, and so that both
        // instructions stay together, which processors join.
        unsafe {
            let zero = vdupq_n_u8(0);
            asm!(
                ".arch_extension aes",
                "aese {state:v}.16b, {zero:v}.16b",
                "aesmc {state:v}.16b, {state:v}.16b",
                state = inout(vreg) state, zero = in(vreg) zero,
                options(pure, nomem, nostack, preserves_flags)
            );
            Self(veorq_u8(state, key.0))
        }
    }

    #[inline(always)]
    fn decrypt(self, key: Self) -> Self {
        let mut state = self.0;
        // SAFETY: as in `encrypt`.
        unsafe {
            let zero = vdupq_n_u8(0);
            asm!(
                ".arch_extension aes",
                "aesd {state:v}.16b, {zero:v}.16b",
                "aesimc {state:v}.16b, {state:v}.16b",
                state = inout(vreg) state, zero = in(vreg) zero,
                options(pure, nomem, nostack, preserves_flags)
            );
            Self(veorq_u8(state, key.0))
        }
    }

    #[inline(always)]
    fn prefetch(address: *const u8) {
        // SAFETY: a hint that reads nothing, for any address; it changes no register and no flag.
        unsafe { asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly)) }
    }
}

pub(super) fn available() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[target_feature(enable = "aes")]
pub(super) fn fill_scratchpad(state: &mut [u8; 64], out: &mut [[u8; 64]]) {
    rounds::fill_scratchpad::<Register>(state, out);
}

#[target_feature(enable = "aes")]
pub(super) fn fill_program(keys: &[[u8; 64]; 2], state: &mut [u8; 64], out: &mut [[u8; 64]]) {
    rounds::fill_program::<Register>(keys, state, out);
}

#[target_feature(enable = "aes")]
pub(super) fn hash(input: &[[u8; 64]]) -> [u8; 64] {
    rounds::hash::<Register>(input)
}

#[target_feature(enable = "aes")]
pub(super) fn hash_and_fill(scratchpad: &mut [[u8; 64]], state: &mut [u8; 64]) -> [u8; 64] {
    rounds::hash_and_fill::<Register>(scratchpad, state)
}

#[target_feature(enable = "aes")]
pub(super) fn mix(f: &mut [u8; 64], e: &[u8; 64]) {
    rounds::mix::<Register>(f, e);
}
