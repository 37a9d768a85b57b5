//! The functions of specs 3.2 to 3.4 over any way of computing a round.

use super::keys;

/// Bytes between what is processed and what is fetched from memory meanwhile.
const PREFETCH_BYTES: usize = 4096;

/// 16 bytes, and what AES does with them.
pub(super) trait Column: Copy {
    fn load(bytes: &[u8; 16]) -> Self;
    fn store(self, bytes: &mut [u8; 16]);
    /// One encryption round (specs 3.1): ShiftRows, SubBytes, MixColumns, key added.
    fn encrypt(self, key: Self) -> Self;
    /// One decryption round (specs 3.1): their inverses, key added.
    fn decrypt(self, key: Self) -> Self;
    /// Asks for the line at this address, which need not exist.
    fn prefetch(_address: *const u8) {}
}

#[inline(always)]
fn load<C: Column>(block: &[u8; 64]) -> [C; 4] {
    let (columns, _) = block.as_chunks::<16>();
    [0, 1, 2, 3].map(|at| C::load(&columns[at]))
}

#[inline(always)]
fn store<C: Column>(columns: [C; 4], block: &mut [u8; 64]) {
    for (bytes, column) in block.as_chunks_mut::<16>().0.iter_mut().zip(columns) {
        column.store(bytes);
    }
}

/// One step of AesGenerator1R (specs 3.2).
#[inline(always)]
fn generate<C: Column>(state: [C; 4], keys: &[C; 4]) -> [C; 4] {
    [
        state[0].decrypt(keys[0]),
        state[1].encrypt(keys[1]),
        state[2].decrypt(keys[2]),
        state[3].encrypt(keys[3]),
    ]
}

/// One step of AesHash1R (specs 3.4).
#[inline(always)]
fn absorb<C: Column>(state: [C; 4], block: [C; 4]) -> [C; 4] {
    [
        state[0].encrypt(block[0]),
        state[1].decrypt(block[1]),
        state[2].encrypt(block[2]),
        state[3].decrypt(block[3]),
    ]
}

/// The rounds behind the last block of AesHash1R.
#[inline(always)]
fn finish<C: Column>(mut state: [C; 4]) -> [u8; 64] {
    for key in &keys::HASH_LAST {
        let key = C::load(key);
        state = absorb(state, [key; 4]);
    }
    let mut bytes = [0; 64];
    store(state, &mut bytes);
    bytes
}

#[inline(always)]
pub(super) fn fill_scratchpad<C: Column>(state: &mut [u8; 64], out: &mut [[u8; 64]]) {
    let keys = load(&keys::GENERATOR_1R);
    let mut columns: [C; 4] = load(state);
    for block in out {
        columns = generate(columns, &keys);
        store(columns, block);
    }
    store(columns, state);
}

#[inline(always)]
pub(super) fn fill_program<C: Column>(keys: &[[u8; 64]; 2], state: &mut [u8; 64], out: &mut [[u8; 64]]) {
    let [low, high]: [[C; 4]; 2] = [load(&keys[0]), load(&keys[1])];
    let mut columns: [C; 4] = load(state);
    for block in out {
        for round in 0..4 {
            columns = generate(columns, &[low[round], low[round], high[round], high[round]]);
        }
        store(columns, block);
    }
    store(columns, state);
}

#[inline(always)]
pub(super) fn hash<C: Column>(input: &[[u8; 64]]) -> [u8; 64] {
    let mut state = load::<C>(&keys::HASH_STATE);
    for block in input {
        C::prefetch(block.as_ptr().wrapping_add(PREFETCH_BYTES));
        state = absorb(state, load(block));
    }
    finish(state)
}

#[inline(always)]
pub(super) fn hash_and_fill<C: Column>(scratchpad: &mut [[u8; 64]], state: &mut [u8; 64]) -> [u8; 64] {
    let keys = load(&keys::GENERATOR_1R);
    let mut columns: [C; 4] = load(state);
    let mut fingerprint = load::<C>(&keys::HASH_STATE);
    for block in scratchpad {
        C::prefetch(block.as_ptr().wrapping_add(PREFETCH_BYTES));
        fingerprint = absorb(fingerprint, load(block));
        columns = generate(columns, &keys);
        store(columns, block);
    }
    store(columns, state);
    finish(fingerprint)
}

#[inline(always)]
pub(super) fn mix<C: Column>(f: &mut [u8; 64], e: &[u8; 64]) {
    let mut columns: [C; 4] = load(f);
    for key in load(e) {
        columns = absorb(columns, [key; 4]);
    }
    store(columns, f);
}
