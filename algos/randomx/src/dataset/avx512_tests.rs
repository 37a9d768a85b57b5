//! Against items made one by one. Processors without AVX-512 run the code in a simulator.

use iced_x86::{Code, CpuidFeature, Decoder, DecoderOptions, Mnemonic};

use super::*;
use crate::blake::Blake2Generator;
use crate::cache;
use crate::config::RX_0;
use crate::{Memory, superscalar};

fn programs(key: &[u8], count: usize) -> Vec<Program> {
    let mut generator = Blake2Generator::new(key);
    (0..count).map(|_| superscalar::generate(&RX_0, &mut generator)).collect()
}

/// Bytes without a pattern in place of a cache, which are as good for the programs.
fn memory(bytes: usize, seed: &[u8]) -> Memory {
    let mut memory = Memory::allocate(bytes, Pages::Normal, "test").unwrap();
    let mut reader = blake2b_simd::blake2b(seed);
    for chunk in memory.chunks_mut(64) {
        chunk.copy_from_slice(reader.as_bytes());
        reader = blake2b_simd::blake2b(reader.as_bytes());
    }
    memory
}

/// The code, decoded, until its return.
fn decoded(programs: &[Program]) -> Vec<iced_x86::Instruction> {
    let mut compiled = Avx512::compile(programs, 1 << 20, CodeMode::Open).unwrap();
    let code = compiled.code.write_view();
    let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    for instruction in decoder {
        assert!(!instruction.is_invalid(), "at {:#x}", instruction.ip());
        instructions.push(instruction);
        if instruction.code() == Code::Retnq {
            return instructions;
        }
    }
    panic!("the code has no end");
}

#[test]
fn code_is_whole_and_of_the_features_that_are_asked_for() {
    for key in 0..4u8 {
        let programs = programs(&[key], 8);
        let instructions = decoded(&programs);
        let mut multiplications = 0;
        for instruction in &instructions {
            for feature in instruction.cpuid_features() {
                let known = matches!(
                    feature,
                    CpuidFeature::AVX512F
                        | CpuidFeature::AVX512DQ
                        | CpuidFeature::AVX
                        | CpuidFeature::SSE
                        | CpuidFeature::X64
                        | CpuidFeature::INTEL8086
                        | CpuidFeature::INTEL386
                        | CpuidFeature::MULTIBYTENOP
                );
                assert!(known, "{instruction:?} needs {feature:?}");
            }
            multiplications += usize::from(instruction.mnemonic() == Mnemonic::Vpmullq);
        }
        let expected = programs.iter().flat_map(|program| &program.instructions);
        let expected = expected.filter(|instruction| matches!(instruction.kind, Kind::ImulR | Kind::ImulRcp));
        assert_eq!(multiplications, SETS * (expected.count() + 1), "and one for the numbers of items");
    }
}

#[test]
fn what_is_no_cache_is_refused() {
    let programs = programs(b"", 8);
    for (programs, bytes) in [(&programs[..0], 1 << 20), (&programs, 0), (&programs, 96), (&programs, 32)] {
        assert!(matches!(Avx512::compile(programs, bytes, CodeMode::Open), Err(Error::Unsupported { .. })));
    }
}

/// Compares items from `first` on, and what lies around them.
fn compare(kernel: &Avx512, programs: &[Program], memory: &[u8], first: u64, count: usize, offset: usize) {
    const MARK: u64 = 0x5555_aaaa_5555_aaaa;
    let mut buffer = Memory::allocate((count + 4) * ITEM_BYTES, Pages::Normal, "test").unwrap();
    // SAFETY: words of the buffer, inside it for offsets up to 8 words, aligned to words.
    let words = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<u64>(), (count + 4) * 8) };
    words.fill(MARK);
    let (items, after) = words[8 + offset..].as_chunks_mut::<ITEM_WORDS>().0.split_at_mut(count);
    kernel.fill(memory, first, items);
    assert!(after.iter().flatten().all(|&word| word == MARK), "written behind the end");
    for (index, item) in (first..).zip(items) {
        let mut expected = [[0; ITEM_WORDS]];
        cache::items(programs, memory, [index], &mut expected);
        assert_eq!(*item, expected[0], "item {index} of {count} from {first}");
    }
    assert!(words[..8 + offset].iter().all(|&word| word == MARK), "written before the start");
}

#[test]
fn items_are_those_made_one_by_one() {
    let mut compared = 0;
    for key in 0..6u8 {
        let bytes = 64 << (4 * u32::from(key % 4));
        let memory = memory(bytes, &[key]);
        let programs = programs(&[key], if key == 5 { 1 } else { 8 });
        for mode in [CodeMode::Open, CodeMode::DualMapping] {
            let kernel = Avx512::compile(&programs, bytes, mode).unwrap();
            for (first, count) in [
                (0, 1),
                (7, 15),
                (12_345, BATCH_ITEMS),
                (34_078_719 - 300, 3 * BATCH_ITEMS + 17),
                (u64::from(u32::MAX) - 40, 2 * BATCH_ITEMS),
                (3, 0),
            ] {
                for offset in [0, 1, 4] {
                    compare(&kernel, &programs, &memory, first, count, offset);
                    compared += count;
                }
            }
        }
    }
    eprintln!("{compared} items compared");
}

#[test]
fn items_in_any_order_are_those_made_one_by_one() {
    let memory = memory(1 << 16, b"order");
    let programs = programs(b"order", 8);
    let kernel = Avx512::compile(&programs, memory.len(), CodeMode::Open).unwrap();
    for count in [0, 1, 2, 8, 15, 16, 17, 33, 127, 128, 129, 300] {
        let indices: Vec<u64> =
            (0..count).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 39).collect();
        for spare in [0, 1] {
            let mut items = vec![[0; ITEM_WORDS]; indices.len() + spare];
            kernel.items(&memory, &indices, &mut items);
            for (&index, item) in indices.iter().zip(&items) {
                let mut expected = [[0; ITEM_WORDS]];
                cache::items(&programs, &memory, [index], &mut expected);
                assert_eq!(*item, expected[0], "item {index} of {count}");
            }
            assert!(items[indices.len()..].iter().flatten().all(|&word| word == 0), "nobody asked for it");
        }
    }
}

/// One instruction at a time, with the operands of edges among others.
#[test]
fn every_instruction_alone() {
    let what = |instruction: &Instruction| {
        (instruction.kind as u8, instruction.dst, instruction.src, instruction.modifier >> 2 & 3)
    };
    let programs = programs(b"instructions", 8).into_iter();
    let mut all: Vec<_> = programs.flat_map(|program| program.instructions).collect();
    all.sort_by_key(what);
    all.dedup_by_key(|instruction| what(instruction));
    let edges = [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 0xffff_ffff, 1 << 32, 0x8000_0000_ffff_ffff];
    let mut memory = memory(1 << 14, b"edges");
    for word in memory.as_chunks_mut::<8>().0 {
        if word[0] % 4 != 0 {
            *word = u64::to_le_bytes(edges[usize::from(word[1]) % edges.len()]);
        }
    }
    // A first program sets all registers to zero, so that the line is what the instruction works on.
    let zero = |number| Instruction {
        kind: Kind::IxorR,
        dst: number,
        src: number,
        modifier: 0,
        imm32: 0,
        constant: 0,
    };
    let zeroing = Program { instructions: (0..8).map(zero).collect(), address_register: 3 };
    for instruction in &all {
        let single = Program { instructions: [*instruction].into(), address_register: 0 };
        let programs = [zeroing.clone(), single];
        let kernel = Avx512::compile(&programs, memory.len(), CodeMode::Open).unwrap();
        compare(&kernel, &programs, &memory, 0, BATCH_ITEMS, 0);
    }
    eprintln!("{} instructions compared, with {BATCH_ITEMS} items each", all.len());
}

/// A whole cache: what the reference implementation's own tests expect, and a sample.
#[test]
fn items_of_a_whole_cache() {
    let cache = cache::tests::cache(b"test key 000");
    let kernel = Avx512::compile(cache.programs(), cache.memory().len(), CodeMode::Open).unwrap();
    let published = [
        (0, 0x6805_88a8_5ae2_22db),
        (10_000_000, 0x7943_a1f6_186f_fb72),
        (20_000_000, 0x9035_244d_7180_95e1),
        (30_000_000, 0x145a_5091_f785_3099),
    ];
    for (index, expected) in published {
        let mut items = [[0; ITEM_WORDS]; 3];
        kernel.fill(cache.memory(), index, &mut items);
        assert_eq!(items[0][0], expected, "item {index}");
    }
    for part in 0..20u64 {
        let first = part * 1_700_003;
        let mut items = vec![[0; ITEM_WORDS]; 200];
        kernel.fill(cache.memory(), first, &mut items);
        for (index, item) in (first..).zip(&items) {
            assert_eq!(*item, cache.item(index), "item {index}");
        }
    }
}
