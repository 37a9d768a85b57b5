//! Rounds of AES by the AES-NI instructions of x86-64.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m128i, _MM_HINT_T0, _mm_aesdec_si128, _mm_aesenc_si128, _mm_loadu_si128, _mm_prefetch, _mm_storeu_si128,
};

use super::rounds::{self, Column};

/// A register. Its functions are inlined into those below, where the instructions are allowed; it is made
/// nowhere else.
#[derive(Clone, Copy)]
struct Register(__m128i);

impl Column for Register {
    #[inline(always)]
    fn load(bytes: &[u8; 16]) -> Self {
        // SAFETY: 16 bytes to read, of any alignment. SSE2 is part of x86-64.
        Self(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 16]) {
        // SAFETY: 16 bytes to write, of any alignment. SSE2 is part of x86-64.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn encrypt(self, key: Self) -> Self {
        // SAFETY: only called from functions of this file that are entered with the feature `aes` present.
        Self(unsafe { _mm_aesenc_si128(self.0, key.0) })
    }

    #[inline(always)]
    fn decrypt(self, key: Self) -> Self {
        // SAFETY: as in `encrypt`.
        Self(unsafe { _mm_aesdec_si128(self.0, key.0) })
    }

    #[inline(always)]
    fn prefetch(address: *const u8) {
        // SAFETY: a hint that reads nothing, for any address.
        unsafe { _mm_prefetch(address.cast(), _MM_HINT_T0) }
    }
}

pub(super) fn available() -> bool {
    is_x86_feature_detected!("aes")
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
