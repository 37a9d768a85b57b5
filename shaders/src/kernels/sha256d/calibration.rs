//! A yardstick for cards: the work that password crackers do for one SHA-256.
//!
//! hashcat's benchmark of mode 1400 is the one figure that is published for nearly every card (one hash of a short
//! message, of which one word varies; a single target, whose last rounds are undone on the host, so that 57 rounds
//! are left). The same work through our generator tells what a card's arithmetic gives at the clock it has right now,
//! and so how much of it the mining kernels use.

use rminer_algos::sha256d::INITIAL;

use super::search::rounds;
use crate::generator::{Evaluator, Frame, Language, OperationCounts, Program, Style, Value, straight_text};

/// Rounds that are left when the end of one target is undone.
const ROUNDS: usize = 57;
/// Bits of a message of two words.
const MESSAGE_BITS: u32 = 56;

/// The kernel in both languages. What it finds has no meaning.
#[derive(Debug, Clone)]
pub struct Calibration {
    /// As WGSL.
    pub wgsl: String,
    /// As CUDA C.
    pub cuda: String,
    /// Words for the job's buffer, a multiple of four.
    pub job_words: Vec<u32>,
    /// Operations for one nonce.
    pub counts: OperationCounts,
}

/// The kernel for workgroups of this size.
pub fn calibration(workgroup_size: u32) -> Calibration {
    let program = program();
    let mut evaluator = Evaluator::for_job();
    evaluate(&mut evaluator);
    let mut job_words = program.job_words(&evaluator);
    job_words.resize(job_words.len().next_multiple_of(4), 0);
    let (style, frame) = (Style::default(), Frame { workgroup_size, nonces_per_invocation: 1 });
    Calibration {
        wgsl: straight_text(&program, style, frame, Language::Wgsl),
        cuda: straight_text(&program, style, frame, Language::Cuda),
        job_words,
        counts: program.operation_counts(),
    }
}

fn program() -> Program {
    let mut evaluator = Evaluator::for_program();
    let output = evaluate(&mut evaluator);
    Program::new(evaluator, &[output])
}

/// The first word of the state after the last round; the first word of the message is the nonce.
fn evaluate(evaluator: &mut Evaluator) -> Value {
    let mut block = [Value::Literal(0); 16];
    block[0] = evaluator.input(0);
    for (word, text) in block[1..4].iter_mut().zip([0x1111_1111, 0x2222_2222, 0x3333_3333]) {
        *word = evaluator.job(text);
    }
    block[15] = evaluator.job(MESSAGE_BITS);
    let mut states = [INITIAL.map(Value::Literal)];
    rounds(evaluator, &mut states, block, ROUNDS);
    let [[first, ..]] = states;
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 57 rounds by the plain formulas of FIPS 180-4, for a few nonces; and as many operations as the estimate of
    /// a card's full speed is made of.
    #[test]
    fn the_work_is_what_it_says() {
        let calibration = calibration(256);
        let job = &calibration.job_words;
        for nonce in [0, 1, 0xDEAD_BEEF, u32::MAX] {
            let mut w = vec![nonce, 0x1111_1111, 0x2222_2222, 0x3333_3333];
            w.resize(15, 0);
            w.push(56);
            let small = |x: u32, a, b, c| x.rotate_right(a) ^ x.rotate_right(b) ^ (x >> c);
            let big = |x: u32, a, b, c| x.rotate_right(a) ^ x.rotate_right(b) ^ x.rotate_right(c);
            for t in 16..57 {
                let terms = [small(w[t - 2], 17, 19, 10), w[t - 7], small(w[t - 15], 7, 18, 3), w[t - 16]];
                w.push(terms.into_iter().fold(0, u32::wrapping_add));
            }
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = INITIAL;
            for (word, constant) in w.into_iter().zip(rminer_algos::sha256d::ROUND) {
                let choice = (e & f) ^ (!e & g);
                let terms = [h, big(e, 6, 11, 25), choice, constant, word];
                let first = terms.into_iter().fold(0, u32::wrapping_add);
                let second = big(a, 2, 13, 22).wrapping_add((a & b) ^ (a & c) ^ (b & c));
                (h, g, f, e) = (g, f, e, d.wrapping_add(first));
                (d, c, b, a) = (c, b, a, first.wrapping_add(second));
            }
            assert_eq!(program().run(&[nonce], job), [a]);
        }
        let OperationCounts { shifts, logic, additions_of_three, .. } = calibration.counts;
        assert!((1_000..1_100).contains(&(shifts + logic + additions_of_three)), "{:?}", calibration.counts);
    }
}
