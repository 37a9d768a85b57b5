//! Runs the compiled code in software, where the processor has no AVX-512. It knows the forms of instructions that the
//! code is made of, by their manual, and nothing of what the code is for.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

type Vector = [u64; 8];

struct Machine {
    integers: [u64; 16],
    vectors: [Vector; 32],
    masks: [u8; 8],
    zero: bool,
}

/// Calls the function at the start of `code` with one argument.
///
/// # Safety
/// The code must be complete, and what it reads and writes must be there.
pub(super) unsafe fn call(code: &[u8], argument: u64) {
    let start = code.as_ptr().addr() as u64;
    let mut instructions = Vec::new();
    for instruction in Decoder::with_ip(64, code, start, DecoderOptions::NONE) {
        instructions.push(instruction);
        if instruction.mnemonic() == Mnemonic::Ret {
            break;
        }
    }
    let mut machine =
        Machine { integers: [0x5a5a; 16], vectors: [[0x5a5a; 8]; 32], masks: [0x5a; 8], zero: false };
    machine.integers[Register::RDI.number()] = argument;
    let kept = [
        Register::RBX,
        Register::RBP,
        Register::RSP,
        Register::R12,
        Register::R13,
        Register::R14,
        Register::R15,
    ];
    let mut at = 0;
    loop {
        let instruction = &instructions[at];
        match instruction.mnemonic() {
            Mnemonic::Ret => break,
            Mnemonic::Jne if !machine.zero => {
                let target = instruction.near_branch_target();
                at = instructions.binary_search_by_key(&target, Instruction::ip).unwrap();
            }
            _ => {
                // SAFETY: of the caller.
                unsafe { machine.step(instruction) };
                at += 1;
            }
        }
    }
    for register in kept {
        assert_eq!(machine.integers[register.number()], 0x5a5a, "{register:?} must be kept");
    }
}

impl Machine {
    unsafe fn step(&mut self, instruction: &Instruction) {
        let number = |operand: u32| instruction.op_register(operand).number();
        match instruction.mnemonic() {
            Mnemonic::Jne
            | Mnemonic::Nop
            | Mnemonic::Prefetchnta
            | Mnemonic::Sfence
            | Mnemonic::Vzeroupper => {}
            Mnemonic::Mov | Mnemonic::Lea => {
                let address = self.address(instruction);
                assert!(instruction.op0_register().is_gpr64() && instruction.op1_kind() == OpKind::Memory);
                self.integers[number(0)] = match instruction.mnemonic() {
                    Mnemonic::Lea => address as u64,
                    // SAFETY: of the caller.
                    _ => unsafe { std::ptr::with_exposed_provenance::<u64>(address).read() },
                };
            }
            Mnemonic::Add | Mnemonic::Dec => {
                assert!(instruction.op0_register().is_gpr64());
                let other =
                    if instruction.mnemonic() == Mnemonic::Dec { u64::MAX } else { instruction.immediate(1) };
                let register = &mut self.integers[number(0)];
                *register = register.wrapping_add(other);
                self.zero = *register == 0;
            }
            Mnemonic::Vpmovq2m => {
                let source = self.vectors[number(1)];
                self.masks[number(0)] = (0..8).map(|lane| ((source[lane] >> 63) as u8) << lane).sum();
            }
            Mnemonic::Vmovdqa64 | Mnemonic::Vmovntdq if instruction.op0_kind() == OpKind::Memory => {
                let address = self.address(instruction);
                assert!(address.is_multiple_of(64) && instruction.op1_register().is_zmm());
                // SAFETY: of the caller.
                unsafe {
                    std::ptr::with_exposed_provenance_mut::<Vector>(address).write(self.vectors[number(1)]);
                };
            }
            _ => {
                // SAFETY: of the caller.
                let result = unsafe { self.result(instruction) };
                assert!(instruction.op0_register().is_zmm() && !instruction.zeroing_masking());
                let mask = match instruction.op_mask() {
                    Register::None => 0xff,
                    register => self.masks[register.number()],
                };
                let destination = &mut self.vectors[number(0)];
                for (lane, value) in result.into_iter().enumerate().filter(|(lane, _)| mask >> lane & 1 != 0)
                {
                    destination[lane] = value;
                }
            }
        }
    }

    unsafe fn result(&self, instruction: &Instruction) -> Vector {
        // SAFETY: of the caller.
        let vector = |operand: u32| unsafe { self.vector(instruction, operand) };
        let both = |operation: fn(u64, u64) -> u64| -> Vector {
            let (first, second) = (vector(1), vector(2));
            std::array::from_fn(|lane| operation(first[lane], second[lane]))
        };
        let count = || u32::from(instruction.immediate8());
        match instruction.mnemonic() {
            Mnemonic::Vmovdqa64 => vector(1),
            Mnemonic::Vpbroadcastq => {
                assert_eq!(instruction.op1_kind(), OpKind::Memory);
                // SAFETY: of the caller.
                [unsafe { std::ptr::with_exposed_provenance::<u64>(self.address(instruction)).read() }; 8]
            }
            Mnemonic::Vpaddq => both(u64::wrapping_add),
            Mnemonic::Vpsubq => both(u64::wrapping_sub),
            Mnemonic::Vpmullq => both(u64::wrapping_mul),
            Mnemonic::Vpmuludq => both(|first, second| (first & 0xffff_ffff) * (second & 0xffff_ffff)),
            Mnemonic::Vpxorq => both(|first, second| first ^ second),
            Mnemonic::Vpandq => both(|first, second| first & second),
            Mnemonic::Vprorq => vector(1).map(|word| word.rotate_right(count())),
            Mnemonic::Vpsrlq => vector(1).map(|word| word.checked_shr(count()).unwrap_or(0)),
            Mnemonic::Vpsllq => vector(1).map(|word| word.checked_shl(count()).unwrap_or(0)),
            Mnemonic::Vpunpcklqdq | Mnemonic::Vpunpckhqdq => {
                let high = usize::from(instruction.mnemonic() == Mnemonic::Vpunpckhqdq);
                let sources = [vector(1), vector(2)];
                std::array::from_fn(|lane| sources[lane % 2][lane / 2 * 2 + high])
            }
            Mnemonic::Vshufi64x2 => {
                let (sources, selection) = ([vector(1), vector(2)], usize::from(instruction.immediate8()));
                std::array::from_fn(|lane| {
                    sources[lane / 4][(selection >> (lane / 2 * 2) & 3) * 2 + lane % 2]
                })
            }
            other => panic!("{other:?} is not known here"),
        }
    }

    /// A source: a register, or memory, of which one element may stand for all.
    unsafe fn vector(&self, instruction: &Instruction, operand: u32) -> Vector {
        if instruction.op_kind(operand) == OpKind::Register {
            assert!(instruction.op_register(operand).is_zmm());
            return self.vectors[instruction.op_register(operand).number()];
        }
        let address = self.address(instruction);
        if instruction.is_broadcast() {
            // SAFETY: of the caller.
            return [unsafe { std::ptr::with_exposed_provenance::<u64>(address).read() }; 8];
        }
        // SAFETY: of the caller.
        unsafe { std::ptr::with_exposed_provenance::<Vector>(address).read_unaligned() }
    }

    fn address(&self, instruction: &Instruction) -> usize {
        let value = |register| match register {
            Register::None => 0,
            register => self.integers[Register::number(register)],
        };
        let index =
            value(instruction.memory_index()).wrapping_mul(u64::from(instruction.memory_index_scale()));
        let sum = value(instruction.memory_base()).wrapping_add(index);
        sum.wrapping_add(instruction.memory_displacement64()) as usize
    }
}
