//! The compiler beside the interpreter, on the whole state that a program leaves.

use std::collections::HashSet;
use std::sync::Arc;

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use proptest::prelude::*;

use super::*;
use crate::aes::Aes;
use crate::config::{RX_0, RX_2, RX_ARQ};
use crate::float::Rounding;
use crate::interpreter::{Interpreter, State};
use crate::program::{Program, Settings};
use crate::vm::{Engine, MAX_LANES};
use crate::{Dataset, Pages};

/// A stream of bits without a pattern.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for bytes in bytes.as_chunks_mut::<8>().0 {
            *bytes = self.next().to_le_bytes();
        }
    }
}

fn options(config: &'static Config, lanes: usize) -> Options {
    Options { lanes, engine: Engine::Jit, pages: Pages::Normal, ..Options::detect(config) }
}

/// A lane with a random program and scratchpad.
fn lane(options: &Options, random: &mut Random, shape: &dyn Fn(&mut Program)) -> Lane {
    let config = options.config;
    let mut lane = Lane::new(options).unwrap();
    let mut bytes = vec![0; config.program_bytes()];
    random.fill(&mut bytes);
    lane.program.load(&bytes);
    shape(&mut lane.program);
    lane.settings = Settings::from_entropy(config, &lane.program.entropy);
    random.fill(&mut lane.scratchpad);
    lane.rounding = Rounding::from_bits(random.next());
    lane
}

/// Runs the same lanes by both engines and compares all that is left.
fn compare(compiler: &mut Compiler, lanes: &mut [Lane], source: &Source) {
    let mut interpreter = Interpreter::new(compiler.config);
    let expected: Vec<_> = lanes
        .iter()
        .map(|lane| {
            let mut scratchpad = lane.scratchpad.to_vec();
            let (mut registers, mut rounding) = (Registers::default(), lane.rounding);
            let state =
                State { scratchpad: &mut scratchpad, registers: &mut registers, rounding: &mut rounding };
            interpreter
                .run(&lane.program, &lane.settings, state, Aes::detect(), |number| source.item(number));
            (scratchpad, registers.to_bytes(), rounding)
        })
        .collect();
    compiler.run(lanes, source);
    for (lane, (scratchpad, registers, rounding)) in lanes.iter().zip(expected) {
        assert_eq!(lane.registers.to_bytes(), registers);
        assert_eq!(lane.rounding, rounding);
        assert!(*lane.scratchpad == *scratchpad, "scratchpads differ");
    }
}

/// A dataset that nobody has filled: its items are zero.
fn empty_dataset(config: &'static Config) -> Source {
    Source::Fast(Arc::new(Dataset::allocate(config, Pages::Normal).unwrap()))
}

fn random_programs(count: usize) {
    for config in [&RX_0, &RX_2, &RX_ARQ] {
        let source = empty_dataset(config);
        for lanes in 1..=MAX_LANES {
            let options = options(config, lanes);
            let mut compiler = Compiler::new(&options, None).unwrap();
            let mut random = Random(lanes as u64);
            for _ in 0..count {
                let mut lanes: Vec<_> = (0..lanes).map(|_| lane(&options, &mut random, &|_| {})).collect();
                compare(&mut compiler, &mut lanes, &source);
            }
        }
    }
}

#[test]
fn random_programs_leave_what_the_interpreter_leaves() {
    random_programs(12);
}

/// `cargo test -p rminer-randomx --release many_random_programs -- --ignored` runs some ten thousand programs.
#[test]
#[ignore = "takes minutes"]
fn many_random_programs_leave_what_the_interpreter_leaves() {
    random_programs(700);
}

#[test]
fn fewer_inputs_than_lanes() {
    let options = options(&RX_0, MAX_LANES);
    let mut compiler = Compiler::new(&options, None).unwrap();
    let source = empty_dataset(&RX_0);
    let mut random = Random(7);
    for count in [3, 1, 2] {
        let mut lanes: Vec<_> = (0..count).map(|_| lane(&options, &mut random, &|_| {})).collect();
        compare(&mut compiler, &mut lanes, &source);
    }
}

/// A program of one kind of instruction, whose other bytes are random.
fn only(config: &Config, opcode: Opcode) -> impl Fn(&mut Program) {
    let number = config.opcodes().iter().position(|&other| other == opcode);
    move |program| {
        for instruction in &mut program.instructions {
            instruction.opcode = u8::try_from(number.unwrap()).unwrap();
        }
    }
}

#[test]
fn each_instruction_alone() {
    for config in [&RX_0, &RX_2] {
        let source = empty_dataset(config);
        for opcode in Opcode::ALL {
            // Nothing is encoded as this one.
            if opcode == Opcode::Nop {
                continue;
            }
            for lanes in 1..=2 {
                let options = options(config, lanes);
                let mut compiler = Compiler::new(&options, None).unwrap();
                let mut random = Random(opcode as u64);
                let shape = only(config, opcode);
                let mut lanes: Vec<_> = (0..lanes).map(|_| lane(&options, &mut random, &shape)).collect();
                compare(&mut compiler, &mut lanes, &source);
            }
        }
    }
}

/// Two kinds of instruction that follow each other.
#[test]
fn roundings_before_each_operation() {
    for config in [&RX_0, &RX_2] {
        let source = empty_dataset(config);
        let opcodes = config.opcodes();
        let number = |opcode| {
            let number = opcodes.iter().position(|&other| other == opcode);
            u8::try_from(number.unwrap()).unwrap()
        };
        let operations =
            [Opcode::FaddR, Opcode::FsubM, Opcode::FmulR, Opcode::FdivM, Opcode::FsqrtR, Opcode::IxorR];
        for lanes in 1..=2 {
            let options = options(config, lanes);
            let mut compiler = Compiler::new(&options, None).unwrap();
            let mut random = Random(1);
            let shape = |program: &mut Program| {
                for (at, instruction) in program.instructions.iter_mut().enumerate() {
                    let operation = operations[at / 2 % operations.len()];
                    instruction.opcode = number(if at % 2 == 0 { Opcode::Cfround } else { operation });
                }
            };
            let mut lanes: Vec<_> = (0..lanes).map(|_| lane(&options, &mut random, &shape)).collect();
            compare(&mut compiler, &mut lanes, &source);
        }
    }
}

/// Values that instructions treat in their own way.
const EDGES: [u32; 12] =
    [0, 1, 2, 3, 63, 64, 1 << 31, (1 << 31) - 1, u32::MAX, 0x8000_0001, 0x0010_0000, 0xffff_ff00];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Scratchpads of few values meet integers that are zero, extreme, and equal.
    #[test]
    fn edge_operands(seed: u64, lanes in 1..=2usize, second_version: bool) {
        let config = if second_version { &RX_2 } else { &RX_0 };
        let options = options(config, lanes);
        let mut compiler = Compiler::new(&options, None).unwrap();
        let mut random = Random(seed);
        let pick = |random: &mut Random| EDGES[usize::from(random.next().to_le_bytes()[0]) % EDGES.len()];
        let mut lanes: Vec<_> = (0..lanes)
            .map(|_| {
                let mut lane = lane(&options, &mut random, &|_| {});
                for instruction in &mut lane.program.instructions {
                    instruction.imm32 = pick(&mut random);
                }
                for word in lane.scratchpad.as_chunks_mut::<4>().0 {
                    *word = pick(&mut random).to_le_bytes();
                }
                lane
            })
            .collect();
        compare(&mut compiler, &mut lanes, &empty_dataset(config));
    }
}

/// Every byte belongs to an instruction, and every jump goes to the start of one.
#[test]
fn a_disassembler_reads_the_code() {
    for config in [&RX_0, &RX_2] {
        for items in [Items::Memory, Items::Callback] {
            let options = options(config, 2);
            let mut random = Random(5);
            let lanes: Vec<_> = (0..2).map(|_| lane(&options, &mut random, &|_| {})).collect();
            let bytes = 2 * (FRAME_BYTES + config.program_instructions * INSTRUCTION_BYTES);
            let mut code = vec![0; bytes];
            let mut assembler = Assembler::new(&mut code, 0);
            let programs = lanes.iter().map(|lane| (&lane.program, &lane.settings));
            Frame::new(&mut assembler, config, &config.opcodes(), items).write(programs);
            let end = assembler.finish().unwrap();
            let mut decoder = Decoder::with_ip(64, &code[..end], 0, DecoderOptions::NONE);
            let read: Vec<_> = decoder.iter().collect();
            let starts: HashSet<u64> = read.iter().map(iced_x86::Instruction::ip).collect();
            for instruction in &read {
                assert!(!instruction.is_invalid(), "at {}", instruction.ip());
                if instruction.is_jcc_short_or_near() {
                    assert!(starts.contains(&instruction.near_branch_target()), "at {}", instruction.ip());
                }
            }
            assert_eq!(read.last().map(iced_x86::Instruction::mnemonic), Some(Mnemonic::Ret));
            assert_eq!(read.last().map(iced_x86::Instruction::next_ip), Some(end as u64));
        }
    }
}

#[test]
fn the_control_register_comes_back() {
    let options = options(&RX_0, 2);
    let mut compiler = Compiler::new(&options, None).unwrap();
    let mut random = Random(3);
    let mut lanes: Vec<_> = (0..2).map(|_| lane(&options, &mut random, &|_| {})).collect();
    let control = || {
        let mut control = 0u32;
        // SAFETY: stores MXCSR to a variable that outlives the block.
        unsafe { std::arch::asm!("stmxcsr dword ptr [{}]", in(reg) &raw mut control, options(nostack)) };
        // The low bits say what has happened.
        control & !0x3f
    };
    let before = control();
    compiler.run(&mut lanes, &empty_dataset(&RX_0));
    assert_eq!(control(), before);
}
