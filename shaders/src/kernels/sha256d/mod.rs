//! SHA-256d: the readable kernel, and the generated ones in their shapes.

pub mod calibration;
mod search;

use std::sync::Arc;

use rminer_algos::{HEADER_BYTES, Target, Work, registry, sha256d};

use super::{UnsuitableWork, Variant};
use crate::generator::{
    Evaluator, Frame, Language, OperationCounts, Program, Rotate, Style, Sums, straight_text,
};

/// Name of the readable kernel that all others must equal.
const REFERENCE: &str = "reference";

/// What makes one generated kernel differ from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Headers for each nonce: 1, 2 or 4.
    pub lanes: u32,
    /// Spelling of rotations.
    pub rotate: Rotate,
    /// Spelling of sums.
    pub sums: Sums,
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// Nonces that one invocation takes.
    pub nonces_per_invocation: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { lanes: 1, rotate: Rotate::Or, sums: Sums::Add, workgroup_size: 256, nonces_per_invocation: 1 }
    }
}

pub(super) fn variants() -> Vec<Variant> {
    let shape = Shape::default();
    let multiply = Shape { sums: Sums::MultiplyAdd, ..shape };
    let shapes = [
        shape,
        Shape { workgroup_size: 64, ..shape },
        Shape { nonces_per_invocation: 4, ..shape },
        multiply,
        Shape { lanes: 2, ..shape },
        Shape { lanes: 4, ..shape },
        Shape { lanes: 2, ..multiply },
        Shape { lanes: 4, ..multiply },
    ];
    shapes.into_iter().map(Shape::variant).chain([reference()]).collect()
}

impl Shape {
    /// All parts that differ from the default, joined by hyphens: `h4-mad-w64-n16` has four headers, sums by
    /// multiplication, workgroups of 64 and 16 nonces for each invocation.
    pub fn name(&self) -> String {
        let mut name = format!("h{}", self.lanes);
        name += match self.rotate {
            Rotate::Or => "",
            Rotate::Add => "-radd",
            Rotate::Xor => "-rxor",
            Rotate::Insert => "-rinsert",
            Rotate::Wide => "-rwide",
        };
        if self.sums == Sums::MultiplyAdd {
            name += "-mad";
        }
        if self.workgroup_size != 256 {
            name += &format!("-w{}", self.workgroup_size);
        }
        if self.nonces_per_invocation != 1 {
            name += &format!("-n{}", self.nonces_per_invocation);
        }
        name
    }

    /// The kernel in WGSL.
    pub fn variant(self) -> Variant {
        let program = self.program();
        let multiply = self.sums == Sums::MultiplyAdd;
        let words = program.job_word_count() + usize::from(multiply);
        Variant {
            name: self.name(),
            algorithm: registry::SHA256D.name,
            lanes: self.lanes,
            workgroup_size: self.workgroup_size,
            nonces_per_invocation: self.nonces_per_invocation,
            // A kernel has some hundred words at most.
            job_vec4s: u32::try_from(words.div_ceil(4)).unwrap_or(u32::MAX),
            generated: true,
            needs_int64: self.rotate == Rotate::Wide,
            text: straight_text(&program, self.style(), self.frame(), Language::Wgsl),
            check,
            fill: Arc::new(move |work, target, version| {
                let headers: Vec<_> =
                    (0..self.lanes).map(|lane| header_words(work, version + lane)).collect();
                let mut evaluator = Evaluator::for_job();
                search::last_words(&mut evaluator, &headers, last_word_mask(target));
                let mut words = program.job_words(&evaluator);
                words.extend(multiply.then_some(1));
                Ok(words)
            }),
        }
    }

    /// The same kernel in CUDA C; the job's words are the variant's.
    pub fn cuda(&self) -> String {
        straight_text(&self.program(), self.style(), self.frame(), Language::Cuda)
    }

    /// Operations for one nonce under all lanes.
    pub fn operation_counts(&self) -> OperationCounts {
        self.program().operation_counts()
    }

    fn program(&self) -> Program {
        let mut evaluator = Evaluator::for_program();
        let outputs = search::last_words(&mut evaluator, &vec![[0; 20]; self.lanes as usize], 0);
        Program::new(evaluator, &outputs)
    }

    fn style(&self) -> Style {
        Style { rotate: self.rotate, sums: self.sums }
    }

    fn frame(&self) -> Frame {
        Frame { workgroup_size: self.workgroup_size, nonces_per_invocation: self.nonces_per_invocation }
    }
}

/// Headers of 80 bytes whose last four are the nonce.
fn check(work: &Work) -> Result<(), UnsuitableWork> {
    let (bytes, nonce) = (work.blob().len(), work.nonce_field());
    if bytes == HEADER_BYTES && nonce.offset == 76 && nonce.len == 4 {
        return Ok(());
    }
    Err(UnsuitableWork::Layout {
        algorithm: registry::SHA256D.name,
        wanted: "80 bytes with a nonce of 4 at 76",
        bytes,
        nonce_bytes: nonce.len,
        offset: nonce.offset,
    })
}

fn reference() -> Variant {
    Variant {
        name: REFERENCE.to_owned(),
        algorithm: registry::SHA256D.name,
        lanes: 1,
        workgroup_size: 256,
        nonces_per_invocation: 1,
        job_vec4s: 3,
        generated: false,
        needs_int64: false,
        text: include_str!("../../../wgsl/sha256d.wgsl").to_owned(),
        check,
        fill: Arc::new(|work, target, version| {
            let header = header_words(work, version);
            let mut block = [0; 64];
            for (bytes, word) in block.chunks_exact_mut(4).zip(header) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
            let mut midstate = sha256d::INITIAL;
            sha256d::compress(&mut midstate, &block);
            let mut words = midstate.to_vec();
            words.extend(&header[16..19]);
            words.push(last_word_mask(target));
            Ok(words)
        }),
    }
}

/// The header under the version of this number, nonce zero, as SHA-256 reads it.
fn header_words(work: &Work, version: u32) -> [u32; 20] {
    // The whole nonce of version-rolled work has the version's number above the nonce's 32 bits.
    let blob = work.blob_with(u64::from(version) << 32);
    let mut words = [0; 20];
    for (word, bytes) in words.iter_mut().zip(blob.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    words
}

/// Bits of the hash's last word that are zero in every hash that meets the target. The hash is a little-endian
/// number and SHA-256 writes big-endian words, so the number's top bits are in the word's last byte.
fn last_word_mask(target: Target) -> u32 {
    let bytes = target.to_le_bytes();
    let top = u32::from_le_bytes([bytes[28], bytes[29], bytes[30], bytes[31]]);
    let may_be_set = u32::MAX.checked_shr(top.leading_zeros()).unwrap_or(0);
    (!may_be_set).swap_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_never_excludes_what_meets_the_target() {
        for (top, mask) in [
            (u32::MAX, 0),
            (0x7FFF_FFFF, 0x0000_0080),
            (0x00FF_0000, 0x0000_00FF),
            (0x0100_0000, 0x0000_00FE),
            (1, 0xFEFF_FFFF),
            (0, u32::MAX),
        ] {
            let mut bytes = [0xFF; 32];
            bytes[28..].copy_from_slice(&u32::to_le_bytes(top));
            let target = Target::from_le_bytes(bytes).unwrap();
            assert_eq!(last_word_mask(target), mask, "{top:#x}");
            assert_eq!(top.swap_bytes() & mask, 0);
        }
    }

    const SHAPES: [Shape; 3] = {
        let shape = Shape {
            lanes: 1,
            rotate: Rotate::Or,
            sums: Sums::Add,
            workgroup_size: 256,
            nonces_per_invocation: 1,
        };
        [shape, Shape { lanes: 2, ..shape }, Shape { lanes: 4, ..shape }]
    };

    /// The program itself, without any driver: headers of all kinds, every lane, every bit of the last word.
    #[test]
    fn programs_compute_the_last_word() {
        for shape in SHAPES {
            let program = shape.program();
            for seed in 0..20u8 {
                let mut blob: [u8; 80] =
                    std::array::from_fn(|i| sha256d::sha256(&[[seed; 8], i.to_le_bytes()].concat())[0]);
                let headers: Vec<[u32; 20]> = (0..shape.lanes)
                    .map(|lane| {
                        let mut words = [0; 20];
                        for (word, bytes) in words.iter_mut().zip(blob.chunks_exact(4)) {
                            *word = u32::from_be_bytes(bytes.try_into().unwrap());
                        }
                        words[0] ^= lane << 13;
                        words
                    })
                    .collect();
                let mut evaluator = Evaluator::for_job();
                search::last_words(&mut evaluator, &headers, u32::MAX);
                let nonce = u32::from_le_bytes(blob[76..].try_into().unwrap());
                let results = program.run(&[nonce], &program.job_words(&evaluator));
                for (header, result) in headers.iter().zip(results) {
                    blob[..4].copy_from_slice(&header[0].to_be_bytes());
                    let hash =
                        <sha2::Sha256 as sha2::Digest>::digest(<sha2::Sha256 as sha2::Digest>::digest(blob));
                    assert_eq!(result, u32::from_be_bytes(hash[28..].try_into().unwrap()));
                }
            }
        }
    }

    /// Whatever the job, there is one text; and a job's words are its own.
    #[test]
    fn no_text_depends_on_a_job() {
        let shape = Shape { lanes: 2, ..Shape::default() };
        let texts = |header: [u32; 20], mask| {
            let mut evaluator = Evaluator::for_program();
            let outputs = search::last_words(&mut evaluator, &[header, header], mask);
            let program = Program::new(evaluator, &outputs);
            [
                straight_text(&program, shape.style(), shape.frame(), Language::Wgsl),
                straight_text(&program, shape.style(), shape.frame(), Language::Cuda),
            ]
        };
        let first = texts([0; 20], 0);
        assert!(first == [shape.variant().text, shape.cuda()]);
        let mut words = std::collections::BTreeSet::new();
        for job in 0..100u32 {
            // Among them zeros, ones and powers of two, which a careless fold would take for constants.
            let header =
                std::array::from_fn(|i| if i == (job % 20) as usize { 1 << (job % 32) } else { job / 50 });
            assert!(texts(header, job) == first);
            let mut evaluator = Evaluator::for_job();
            search::last_words(&mut evaluator, &[header, header], job);
            words.insert(shape.program().job_words(&evaluator));
        }
        assert_eq!(words.len(), 100);
    }

    /// The known best counts; one more operation is one more for every nonce that is ever tried.
    #[test]
    fn operations_are_as_few_as_known() {
        for (shape, most) in SHAPES.into_iter().zip([
            (1_176, 629, 1_043, 639),
            (2_124, 1_182, 1_931, 1_249),
            (4_020, 2_288, 3_707, 2_469),
        ]) {
            let counts = shape.operation_counts();
            let found = (counts.shifts, counts.logic, counts.additions, counts.additions_of_three);
            println!("{}: {found:?}, {} words", shape.name(), shape.program().job_word_count());
            assert!(
                found.0 <= most.0 && found.1 <= most.1 && found.2 <= most.2 && found.3 <= most.3,
                "{}: {found:?}, known are {most:?}",
                shape.name()
            );
        }
    }
}
