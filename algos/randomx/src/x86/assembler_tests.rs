//! What the assembler writes, read by a disassembler that is not ours.

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

use super::assembler::register::*;
use super::assembler::*;

/// The instructions in the buffer, as text, separated by `; `.
fn listing(write: impl FnOnce(&mut Assembler<'_>)) -> String {
    let mut buffer = [0xccu8; 4096];
    let mut assembler = Assembler::new(&mut buffer, 0);
    write(&mut assembler);
    let end = assembler.finish().unwrap();
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_space_after_operand_separator(false);
    let texts =
        Decoder::with_ip(64, &buffer[..end], 0, DecoderOptions::NONE).into_iter().map(|instruction| {
            assert!(!instruction.is_invalid(), "{:x?}", &buffer[..end]);
            let mut text = String::new();
            formatter.format(&instruction, &mut text);
            text
        });
    texts.collect::<Vec<_>>().join("; ")
}

const ADD: Legacy = Legacy { prefix: Prefix::None, map: Map::Primary, opcode: 0x03, wide: true };
const ADDPD: Legacy = Legacy { prefix: Prefix::P66, map: Map::M0F, opcode: 0x58, wide: false };
const VADDPD: Vex =
    Vex { prefix: Prefix::P66, map: Map::M0F, opcode: 0x58, wide: false, length: Length::L128 };
const VPERMQ: Vex =
    Vex { prefix: Prefix::P66, map: Map::M0F3A, opcode: 0x00, wide: true, length: Length::L256 };
const EVADDPD: Evex = Evex {
    prefix: Prefix::P66,
    map: Map::M0F,
    opcode: 0x58,
    wide: true,
    length: Length::L512,
    memory_shift: 6,
};

#[test]
fn every_register_and_form_of_address() {
    let names = [
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15",
    ];
    for (a, name_a) in names.iter().enumerate() {
        for (b, name_b) in names.iter().enumerate() {
            let [a, b] = [a, b].map(|number| u8::try_from(number).unwrap());
            assert_eq!(listing(|asm| asm.legacy(ADD, a, b)), format!("add {name_a},{name_b}"));
            assert_eq!(
                listing(|asm| asm.vex(VADDPD, a, b, b ^ 5)),
                format!("vaddpd xmm{a},xmm{b},xmm{}", b ^ 5)
            );
            for (displacement, text) in
                [(0, ""), (8, "+8"), (-128, "-0x80"), (128, "+0x80"), (0x1234_5678, "+0x12345678")]
            {
                let address = Address::base(b, displacement);
                let expected = format!("add {name_a},[{name_b}{text}]");
                assert_eq!(listing(|asm| asm.legacy(ADD, a, address)), expected);
                let expected = format!("vaddpd xmm{a},xmm1,[{name_b}{text}]");
                assert_eq!(listing(|asm| asm.vex(VADDPD, a, 1, address)), expected);
                if a != RSP {
                    let address = Address::indexed(b, a, 3, displacement);
                    let expected = format!("add rdx,[{name_b}+{name_a}*8{text}]");
                    assert_eq!(listing(|asm| asm.legacy(ADD, RDX, address)), expected);
                    let expected = format!("vaddpd xmm9,xmm12,[{name_b}+{name_a}*8{text}]");
                    assert_eq!(listing(|asm| asm.vex(VADDPD, 9, 12, address)), expected);
                }
            }
        }
    }
    assert_eq!(listing(|asm| asm.legacy(ADD, RAX, Address::scaled(RCX, 2, 16))), "add rax,[rcx*4+0x10]");
    assert_eq!(listing(|asm| asm.legacy(ADD, RAX, Address::absolute(0x1000))), "add rax,[0x1000]");
}

#[test]
fn prefixes_and_maps() {
    assert_eq!(listing(|asm| asm.legacy(ADDPD, 3, 11)), "addpd xmm3,xmm11");
    let aesenc = Legacy { prefix: Prefix::P66, map: Map::M0F38, opcode: 0xdc, wide: false };
    assert_eq!(listing(|asm| asm.legacy(aesenc, 8, 1)), "aesenc xmm8,xmm1");
    let mulx = Vex { prefix: Prefix::PF2, map: Map::M0F38, opcode: 0xf6, wide: true, length: Length::L128 };
    assert_eq!(listing(|asm| asm.vex(mulx, R9, RAX, R12)), "mulx r9,rax,r12");
    assert_eq!(
        listing(|asm| {
            asm.vex(VPERMQ, 9, 0, 14);
            asm.put(0x1b, 1);
        }),
        "vpermq ymm9,ymm14,0x1b"
    );
    let rorx = Vex { prefix: Prefix::PF2, map: Map::M0F3A, opcode: 0xf0, wide: true, length: Length::L128 };
    assert_eq!(
        listing(|asm| {
            asm.vex(rorx, RAX, 0, R10);
            asm.put(9, 1);
        }),
        "rorx rax,r10,9"
    );
}

#[test]
fn evex_registers_masks_broadcast_and_rounding() {
    let none = Extras::default();
    for a in 0..32 {
        for b in 0..32 {
            let c = (a + 2 * b + 7) % 32;
            assert_eq!(
                listing(|asm| asm.evex(EVADDPD, a, b, c, none)),
                format!("vaddpd zmm{a},zmm{b},zmm{c}")
            );
        }
    }
    for (mode, text) in ["{rne-sae}", "{rd-sae}", "{ru-sae}", "{rz-sae}"].iter().enumerate() {
        let rounding = Some(u8::try_from(mode).unwrap());
        assert_eq!(
            listing(|asm| asm.evex(EVADDPD, 17, 4, 25, Extras { rounding, ..none })),
            format!("vaddpd zmm17{text},zmm4,zmm25")
        );
    }
    let extras = Extras { mask: 5, zeroing: true, ..none };
    assert_eq!(listing(|asm| asm.evex(EVADDPD, 1, 2, 3, extras)), "vaddpd zmm1{k5}{z},zmm2,zmm3");
    for (displacement, text, bytes) in [(64, "+0x40", 7), (8192, "+0x2000", 10), (8, "+8", 10), (0, "", 6)] {
        let write = |asm: &mut Assembler<'_>| asm.evex(EVADDPD, 1, 2, Address::base(R9, displacement), none);
        assert_eq!(listing(write), format!("vaddpd zmm1,zmm2,[r9{text}]"));
        let mut buffer = [0; 64];
        let mut assembler = Assembler::new(&mut buffer, 0);
        write(&mut assembler);
        assert_eq!(assembler.position(), bytes, "length with displacement {displacement}");
    }
    let broadcast = Extras { broadcast: true, ..none };
    assert_eq!(
        listing(|asm| asm.evex(EVADDPD, 1, 2, Address::indexed(RSI, R15, 0, 8), broadcast)),
        "vaddpd zmm1,zmm2,[rsi+r15+8]{1to8}"
    );
    let gather = Evex { map: Map::M0F38, opcode: 0x91, memory_shift: 3, ..EVADDPD };
    for index in [3, 12, 18, 31] {
        let extras = Extras { mask: 1, ..none };
        assert_eq!(
            listing(|asm| asm.evex(gather, 20, 0, Address::indexed(RSI, index, 0, 16), extras)),
            format!("vpgatherqq zmm20,k1,[rsi+zmm{index}+0x10]")
        );
    }
}

#[test]
fn constants_in_their_shortest_form() {
    for (value, bytes) in [(0, 5), (0xffff_ffff, 5), (u64::MAX, 7), (0x1_0000_0000, 10), (!0x7fff_ffff, 7)] {
        let write = |asm: &mut Assembler<'_>| asm.move_constant(RBX, value);
        let decoded = match value {
            u64::MAX => "mov rbx,0xffffffffffffffff".to_owned(),
            0 => "mov ebx,0".to_owned(),
            _ if bytes == 5 => format!("mov ebx,{value:#x}"),
            _ => format!("mov rbx,{value:#x}"),
        };
        assert_eq!(listing(write), decoded);
        let mut buffer = [0; 64];
        let mut assembler = Assembler::new(&mut buffer, 0);
        write(&mut assembler);
        assert_eq!(assembler.position(), bytes);
    }
    assert_eq!(listing(|asm| asm.move_constant(R14, 7)), "mov r14d,7");
    assert_eq!(listing(|asm| asm.move_constant(R14, 1 << 40)), "mov r14,0x10000000000");
}

#[test]
fn jumps_reach_their_targets() {
    let text = listing(|asm| {
        let start = asm.position();
        let over = asm.jump_forward(Some(Condition::Zero), true);
        asm.legacy(ADD, RAX, RCX);
        asm.bind(&over);
        asm.jump_back(Some(Condition::NotZero), start);
        let far = asm.jump_forward(None, false);
        for _ in 0..50 {
            asm.legacy(ADD, RAX, RCX);
        }
        asm.bind(&far);
        asm.jump_back(Some(Condition::Zero), start);
        asm.jump_back(None, start);
    });
    let texts: Vec<_> = text.split("; ").collect();
    assert_eq!(texts[0], "je short 5");
    assert_eq!(texts[2], "jne short 0");
    assert_eq!(texts[3], "jmp 0x00000000000000a2");
    assert_eq!(texts[54], "je 0");
    assert_eq!(texts[55], "jmp 0");
}

#[test]
fn alignment_is_filled_with_whole_instructions() {
    for start in 0..64 {
        let text = listing(|asm| {
            for _ in 0..start {
                asm.put(0x90, 1);
            }
            asm.align(64);
            assert_eq!(asm.position() % 64, 0);
            assert!(asm.position() < 128);
        });
        assert!(
            text.split("; ").all(|text| text.is_empty() || text.contains("nop") || text == "xchg ax,ax"),
            "{text}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut buffer = [0; 16];
    let mut assembler = Assembler::new(&mut buffer, 0);
    assembler.legacy(ADD, RAX, RCX);
    assembler.finish().unwrap();
    for _ in 0..6 {
        assembler.legacy(ADD, RAX, RCX);
    }
    assembler.finish().unwrap_err();
    let mut buffer = [0; 512];
    let mut assembler = Assembler::new(&mut buffer, 0);
    let short = assembler.jump_forward(None, true);
    assembler.bytes(&[0x90; 128]);
    assembler.bind(&short);
    assembler.finish().unwrap_err();
}
