//! SHA-256d of version-rolled headers, for the evaluator.
//!
//! What the best known kernels do follows from the kinds of values alone: the header's first block is a job value as
//! a whole, so are the first three rounds of its second block and the schedule words without the nonce; padding
//! folds into round constants; and of the second hash only one word is asked for, so its last three rounds are dead
//! work. Headers that differ in the version differ in the first block only: they share the second block's schedule.

use rminer_algos::sha256d::{INITIAL, ROUND};

use crate::generator::{Evaluator, Value};

pub(super) type State = [Value; 8];

/// For each header (words as SHA-256 reads them, the nonce of no matter) the last word of its hash, cut to the bits
/// of `mask`: zero for a candidate. The headers must agree from the 17th word on.
pub(super) fn last_words(evaluator: &mut Evaluator, headers: &[[u32; 20]], mask: u32) -> Vec<Value> {
    let mask = evaluator.job(mask);
    let mut midstates = Vec::with_capacity(headers.len());
    for header in headers {
        let block = std::array::from_fn(|i| evaluator.job(header[i]));
        midstates.extend(compress(evaluator, &[INITIAL.map(Value::Literal)], block));
    }
    let mut words = [Value::Literal(0); 4];
    for (i, word) in words.iter_mut().enumerate().take(3) {
        *word = evaluator.job(headers.first().map_or(0, |header| header[16 + i]));
    }
    // The nonce is counted as the number that it is; SHA-256 reads its bytes the other way round.
    let nonce = evaluator.input(0);
    words[3] = evaluator.swap_bytes(nonce);
    let digests = compress(evaluator, &midstates, padded(&words, 640));
    let mut last_words = Vec::with_capacity(headers.len());
    for digest in digests {
        let hashes = compress(evaluator, &[INITIAL.map(Value::Literal)], padded(&digest, 256));
        last_words.extend(hashes.iter().map(|hash| evaluator.and(hash[7], mask)));
    }
    last_words
}

/// The last block of a message of `bits` bits that ends in `words`.
fn padded(words: &[Value], bits: u32) -> [Value; 16] {
    let mut block = [Value::Literal(0); 16];
    block[..words.len()].copy_from_slice(words);
    block[words.len()] = Value::Literal(0x8000_0000);
    block[15] = Value::Literal(bits);
    block
}

/// The compression function: each of `states` takes in the same block.
fn compress(evaluator: &mut Evaluator, states: &[State], block: [Value; 16]) -> Vec<State> {
    let mut after = states.to_vec();
    rounds(evaluator, &mut after, block, ROUND.len());
    for (after, before) in after.iter_mut().zip(states) {
        for (after, before) in after.iter_mut().zip(before) {
            *after = evaluator.sum(&[*before, *after]);
        }
    }
    after
}

/// The first `count` rounds of the compression function, on each of `states` with the same block.
pub(super) fn rounds(evaluator: &mut Evaluator, states: &mut [State], block: [Value; 16], count: usize) {
    let mut schedule = block.to_vec();
    for t in 16..count {
        let small0 = sigma(evaluator, schedule[t - 15], 7, 18, Last::Shift(3));
        let small1 = sigma(evaluator, schedule[t - 2], 17, 19, Last::Shift(10));
        schedule.push(evaluator.sum(&[small1, schedule[t - 7], small0, schedule[t - 16]]));
    }
    let shared = states.len() > 1;
    for (word, constant) in schedule.into_iter().zip(ROUND) {
        let constant = Value::Literal(constant);
        // One addition for all states instead of one for each; with one state it is free to fold elsewhere.
        let (word, constant) =
            if shared { (evaluator.sum(&[word, constant]), Value::Literal(0)) } else { (word, constant) };
        for state in states.iter_mut() {
            round(evaluator, state, constant, word);
        }
    }
}

fn round(evaluator: &mut Evaluator, state: &mut State, constant: Value, word: Value) {
    let [a, b, c, d, e, f, g, h] = *state;
    let big1 = sigma(evaluator, e, 6, 11, Last::Rotate(25));
    let choice = evaluator.choose(e, f, g);
    let big0 = sigma(evaluator, a, 2, 13, Last::Rotate(22));
    let majority = evaluator.majority(a, b, c);
    // The first round with a dynamic word is one addition for each of the two new words, if the word comes last.
    let state_part = evaluator.sum(&[h, choice, big1, constant]);
    let (new_a, new_e) = if state_part.known().is_some() {
        let (for_a, for_e) = (evaluator.sum(&[state_part, big0, majority]), evaluator.sum(&[state_part, d]));
        (evaluator.sum(&[word, for_a]), evaluator.sum(&[word, for_e]))
    } else {
        let first = evaluator.sum(&[h, choice, big1, constant, word]);
        (evaluator.sum(&[big0, majority, first]), evaluator.sum(&[d, first]))
    };
    *state = [new_a, a, b, c, new_e, e, f, g];
}

/// The last of a sigma's three parts.
#[derive(Clone, Copy)]
enum Last {
    Rotate(u32),
    Shift(u32),
}

fn sigma(evaluator: &mut Evaluator, word: Value, first: u32, second: u32, last: Last) -> Value {
    let first = evaluator.rotate_right(word, first);
    let second = evaluator.rotate_right(word, second);
    let last = match last {
        Last::Rotate(bits) => evaluator.rotate_right(word, bits),
        Last::Shift(bits) => evaluator.shift_right(word, bits),
    };
    evaluator.xor(&[first, second, last])
}
