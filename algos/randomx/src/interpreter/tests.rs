//! Single instructions, with operands and results of the reference's own tests, and the rules of jumps.

use super::*;
use crate::config::{RX_0, RX_2};

const IMMEDIATE: u32 = 3_234_567_890;
const IMMEDIATE_64: u64 = IMMEDIATE.cast_signed() as i64 as u64;

/// One machine without a loop around it.
struct Bench {
    interpreter: Interpreter,
    settings: Settings,
    scratchpad: Vec<u8>,
    registers: Registers,
    rounding: Rounding,
}

impl Bench {
    fn new(config: &'static Config) -> Self {
        Self {
            interpreter: Interpreter::new(config),
            settings: Settings::from_entropy(config, &[0; 16]),
            scratchpad: vec![0; config.scratchpad_l3_bytes],
            registers: Registers::default(),
            rounding: Rounding::Nearest,
        }
    }

    /// Decodes these instructions and runs them once.
    fn run(&mut self, instructions: &[Instruction]) {
        let program = Program { entropy: [0; 16], instructions: instructions.into() };
        self.interpreter.decode(&program);
        self.repeat();
    }

    fn repeat(&mut self) {
        let (scratchpad, registers) = (&mut self.scratchpad, &mut self.registers);
        self.interpreter.iterate(&self.settings, scratchpad, registers, &mut self.rounding);
    }
}

/// The last opcode that means this, with registers that have high bits to be ignored.
fn instruction(opcode: Opcode, dst: u8, src: u8, modifier: u8, imm32: u32) -> Instruction {
    let number = RX_0.opcodes().iter().rposition(|&meaning| meaning == opcode).unwrap();
    Instruction { opcode: u8::try_from(number).unwrap(), dst: 192 | dst, src: 192 | src, modifier, imm32 }
}

#[test]
fn integers_of_two_registers() {
    let high = [0xbc55_0e96_ba88_a72b, 0xf539_1fa9_f18d_6273];
    let rotated = [953_360_005_391_419_562, 4_569_451_684_712_230_561];
    for (opcode, operands, expected) in [
        (Opcode::IaddRs, [1 << 63, 1 << 60], 0),
        (Opcode::IsubR, [1, 0xffff_ffff], 0xffff_ffff_0000_0002),
        (Opcode::ImulR, high, 0x2872_3424_a910_8e51),
        (Opcode::ImulhR, high, 0xb467_6d31_d2b3_4883),
        (Opcode::IsmulhR, high, 0x02d9_3ef1_269d_3ee5),
        (Opcode::InegR, [u64::MAX, 0], 1),
        (Opcode::IxorR, [0x8888_8888_8888_8888, 0xaaaa_aaaa_aaaa_aaaa], 0x2222_2222_2222_2222),
        (Opcode::IrorR, rotated, 0xd835_c455_069d_81ef),
        (Opcode::IrolR, rotated, 6_978_065_200_552_740_799),
    ] {
        let mut bench = Bench::new(&RX_0);
        bench.registers.r[..2].copy_from_slice(&operands);
        bench.run(&[instruction(opcode, 0, 1, 0xff, IMMEDIATE)]);
        assert_eq!(bench.registers.r[..2], [expected, operands[1]], "{opcode:?}");
    }
}

#[test]
fn one_register_twice_means_the_immediate_value_or_itself() {
    for (opcode, before, expected) in [
        (Opcode::IsubR, 0, IMMEDIATE_64.wrapping_neg()),
        (Opcode::ImulR, 1, IMMEDIATE_64),
        (Opcode::IxorR, u64::MAX, !IMMEDIATE_64),
        (Opcode::IrorR, 1, 1u64.rotate_right(IMMEDIATE & 63)),
        (Opcode::IrolR, 1, 1u64.rotate_left(IMMEDIATE & 63)),
        (Opcode::ImulhR, 1 << 63, 1 << 62),
        (Opcode::IsmulhR, 1 << 63, 1 << 62),
        (Opcode::IaddRs, 3, 27),
        (Opcode::IswapR, 7, 7),
    ] {
        let mut bench = Bench::new(&RX_0);
        bench.registers.r[3] = before;
        bench.run(&[instruction(opcode, 3, 3, 0xff, IMMEDIATE)]);
        assert_eq!(bench.registers.r[3], expected, "{opcode:?}");
    }
}

#[test]
fn register_five_is_displaced() {
    let mut bench = Bench::new(&RX_0);
    (bench.registers.r[5], bench.registers.r[1]) = (1 << 63, 1 << 61);
    bench.run(&[instruction(Opcode::IaddRs, 5, 1, 8, IMMEDIATE)]);
    assert_eq!(bench.registers.r[5], IMMEDIATE_64);
}

#[test]
fn reciprocals_multiply_unless_they_are_of_powers_of_two() {
    for (divisor, expected) in [(3, 12_297_829_382_473_034_410), (0, 1), (1 << 20, 1)] {
        let mut bench = Bench::new(&RX_0);
        bench.registers.r[0] = 1;
        bench.run(&[instruction(Opcode::ImulRcp, 0, 0, 0, divisor)]);
        assert_eq!(bench.registers.r[0], expected, "{divisor}");
    }
}

#[test]
fn memory_operands_come_from_the_level_that_is_meant() {
    let [l1, l2, l3] = RX_0.scratchpad_masks();
    for (src, modifier, mask) in [(1, 1, l1), (1, 0, l2), (0, 1, l3)] {
        let base = 0x1234_5678_9abc_def0u64;
        let counted = if src == 0 { IMMEDIATE_64 } else { base.wrapping_add(IMMEDIATE_64) };
        let at = (low_word(counted) & mask) as usize;
        for (opcode, expected) in [
            (Opcode::IaddM, 5 + 7),
            (Opcode::IsubM, 5u64.wrapping_sub(7)),
            (Opcode::ImulM, 35),
            (Opcode::IxorM, 5 ^ 7),
            (Opcode::ImulhM, 0),
            (Opcode::IsmulhM, 0),
        ] {
            let mut bench = Bench::new(&RX_0);
            (bench.registers.r[0], bench.registers.r[1]) = (5, base);
            store(&mut bench.scratchpad, at, 7);
            bench.run(&[instruction(opcode, 0, src, modifier, IMMEDIATE)]);
            assert_eq!(bench.registers.r[0], expected, "{opcode:?} {src} {modifier}");
        }
    }
}

#[test]
fn stores_go_to_the_level_that_is_meant() {
    let [l1, l2, l3] = RX_0.scratchpad_masks();
    for (modifier, mask) in [(1, l1), (0, l2), (224, l3), (0xe1, l3), (0xd1, l1)] {
        let mut bench = Bench::new(&RX_0);
        (bench.registers.r[0], bench.registers.r[1]) = (u64::MAX, 0x0123_4567_89ab_cdef);
        bench.run(&[instruction(Opcode::Istore, 0, 1, modifier, IMMEDIATE)]);
        let at = low_word(IMMEDIATE_64.wrapping_sub(1)) & mask;
        assert_eq!(load(&bench.scratchpad, at as usize), 0x0123_4567_89ab_cdef, "{modifier:x}");
    }
}

#[test]
fn swaps_change_both_sides() {
    let mut bench = Bench::new(&RX_0);
    bench.registers.r[..2].copy_from_slice(&[1, 2]);
    (bench.registers.f[2], bench.registers.e[2]) = ([3.0, 4.0], [5.0, 6.0]);
    let swap = |dst| instruction(Opcode::FswapR, dst, 0, 0, 0);
    bench.run(&[instruction(Opcode::IswapR, 0, 1, 0, 0), swap(2)]);
    assert_eq!((bench.registers.r[0], bench.registers.r[1]), (2, 1));
    assert_eq!((bench.registers.f[2], bench.registers.e[2]), ([4.0, 3.0], [5.0, 6.0]));
    bench.run(&[swap(6)]);
    assert_eq!((bench.registers.f[2], bench.registers.e[2]), ([4.0, 3.0], [6.0, 5.0]));
}

/// Sixteen bytes in memory order.
fn bytes(pair: Pair) -> u128 {
    let [low, high] = pair.map(f64::to_bits);
    (u128::from(high) << 64 | u128::from(low)).swap_bytes()
}

#[test]
fn numbers_from_memory_are_converted() {
    let mut bench = Bench::new(&RX_0);
    bench.registers.r[1] = 0xffff_ffff_ffff_e930;
    let [l1, _, _] = RX_0.scratchpad_masks();
    let at = (low_word(bench.registers.r[1].wrapping_add(IMMEDIATE_64)) & l1) as usize;
    store(&mut bench.scratchpad, at, 0x1234_5678_90ab_cdef);
    bench.run(&[instruction(Opcode::FaddM, 0, 1, 1, IMMEDIATE)]);
    assert_eq!(bytes(bench.registers.f[0]), 0x0000_4084_0cd5_dbc1_0000_0078_5634_b241);
    bench.run(&[instruction(Opcode::FsubM, 0, 1, 1, IMMEDIATE)]);
    assert_eq!(bench.registers.f[0], [0.0; 2]);

    store(&mut bench.scratchpad, at, 0x8b24_60d9_d350_a1b6);
    bench.settings.e_masks = [0x3a00_0000_0005_d11a, 0x3900_0000_001b_a31e];
    for (rounding, expected) in [
        (Rounding::Nearest, 0xe7b2_6963_9484_4346_3247_4a66_635b_a547),
        (Rounding::Down, 0xe6b2_6963_9484_4346_3247_4a66_635b_a547),
        (Rounding::Zero, 0xe6b2_6963_9484_4346_3247_4a66_635b_a547),
        (Rounding::Up, 0xe7b2_6963_9484_4346_3347_4a66_635b_a547),
    ] {
        bench.registers.e[0] = [0x411b_4142_96ce_93b6, 0x4193_7f76_fede_16ee].map(f64::from_bits);
        bench.rounding = rounding;
        bench.run(&[instruction(Opcode::FdivM, 0, 1, 3, IMMEDIATE)]);
        assert_eq!(bytes(bench.registers.e[0]), expected, "{rounding:?}");
    }
}

#[test]
fn scaling_flips_sign_and_exponent() {
    let mut bench = Bench::new(&RX_0);
    bench.registers.f[0] = [0x40fd_fdab_b617_3d07, 0x41db_c35c_ef24_8783].map(f64::from_bits);
    bench.run(&[instruction(Opcode::FscalR, 4, 0, 0, 0)]);
    assert_eq!(bytes(bench.registers.f[0]), 0x073d_17b6_abfd_0dc0_8387_24ef_5cc3_2bc1);
}

/// Bits 2 to 5 decide in version 2 whether there is a change.
#[test]
fn the_rounding_mode_is_set_as_the_version_has_it() {
    for (config, value, expected) in [
        (&RX_0, 0b11_1111, Rounding::Zero),
        (&RX_0, 0b01, Rounding::Down),
        (&RX_2, 0b10, Rounding::Up),
        (&RX_2, 0b100_0001, Rounding::Down),
        (&RX_2, 0b00_0110, Rounding::Nearest),
        (&RX_2, 0b10_0001, Rounding::Nearest),
    ] {
        let mut bench = Bench::new(config);
        // The immediate value rotates by 18, whatever its higher bits.
        bench.registers.r[1] = u64::rotate_left(value, 18);
        bench.run(&[instruction(Opcode::Cfround, 0, 1, 0, IMMEDIATE)]);
        assert_eq!(bench.rounding, expected, "{} {value:b}", config.name);
    }
}

#[test]
fn a_condition_adds_and_checks_the_bits_of_the_reference() {
    let mut bench = Bench::new(&RX_0);
    bench.run(&[instruction(Opcode::Cbranch, 0, 0, 48, IMMEDIATE)]);
    let [Step::Branch { dst: 0, plus, mask, target: 0 }] = bench.interpreter.steps[..] else {
        panic!("{:?}", bench.interpreter.steps);
    };
    assert_eq!((plus, mask), (0xffff_ffff_c0cb_9ad2, 0x7f800));
}

/// Each register jumps behind the last instruction that changed it; a jump changes all.
#[test]
fn jumps_lead_behind_the_last_change() {
    let branch = |register| instruction(Opcode::Cbranch, register, 0, 0, 0);
    let program = [
        instruction(Opcode::IswapR, 1, 2, 0, 0),
        instruction(Opcode::IswapR, 3, 3, 0, 0),
        instruction(Opcode::ImulRcp, 4, 0, 0, 8),
        instruction(Opcode::ImulRcp, 5, 0, 0, 9),
        instruction(Opcode::Istore, 6, 0, 0, 0),
        instruction(Opcode::InegR, 7, 0, 0, 0),
        branch(0),
    ];
    for (register, target) in [(0, 0), (1, 1), (2, 1), (3, 0), (4, 0), (5, 4), (6, 0), (7, 6)] {
        let mut program = program;
        program[6] = branch(register);
        let mut bench = Bench::new(&RX_0);
        bench.interpreter.decode(&Program {
            entropy: [0; 16],
            instructions: [&program[..], &[branch(0)]].concat().into(),
        });
        let targets: Vec<usize> = bench
            .interpreter
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Branch { target, .. } => Some(*target),
                _ => None,
            })
            .collect();
        assert_eq!(targets, [target, 7], "r{register}");
    }
}

/// The counter of r0 starts so that the jump is taken once.
#[test]
fn a_jump_repeats_what_it_jumps_over() {
    let mut bench = Bench::new(&RX_0);
    let plus = 1u64 << 8;
    bench.registers.r[0] = plus.wrapping_neg();
    bench.run(&[
        instruction(Opcode::IxorR, 1, 1, 0, 1),
        instruction(Opcode::IsubR, 2, 2, 0, 1),
        instruction(Opcode::Cbranch, 0, 0, 0, 0),
    ]);
    assert_eq!(bench.registers.r[..3], [plus, 0, 2u64.wrapping_neg()]);
}
