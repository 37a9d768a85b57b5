//! Model-specific registers that make RandomX faster, by processor: mostly its prefetchers, which guess in vain where
//! reads are random. Data only; nothing here touches a register.
//!
//! Registers and values are those that xmrig 6.26 has published for these processors (its `RxConfig.cpp`). Which
//! models are which generation is as the Linux kernel has it (`arch/x86/kernel/cpu/amd.c`). Intel documents register
//! 0x1a4 (`MSR_MISC_FEATURE_CONTROL`, Software Developer's Manual, volume 4): its bits 0 to 3 switch prefetchers off.

/// One register and what it should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Its number.
    pub number: u32,
    /// The wanted bits.
    pub value: u64,
    /// Which bits count; the others stay as they are.
    pub mask: u64,
}

impl Register {
    const fn whole(number: u32, value: u64) -> Self {
        Self { number, value, mask: u64::MAX }
    }

    /// What the register should hold when it holds `now`.
    pub fn wanted(self, now: u64) -> u64 {
        (self.value & self.mask) | (now & !self.mask)
    }
}

/// The registers of one kind of processor.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name in messages.
    pub name: &'static str,
    /// In the order in which they are written.
    pub registers: &'static [Register],
    /// What others have claimed that it gains, in tenths of a percent; `None` where nobody has published a figure.
    pub claimed_gain_permille: Option<u16>,
}

/// Bit 5 of this register stays: it belongs to the kernel's work-arounds.
const EXCEPT_BIT_5: u64 = !0x20;
/// The four prefetchers of Intel's processors.
const PREFETCHERS: u64 = 0xf;

const ZEN_4_AND_5: &[Register] = &[
    Register::whole(0xc001_1020, 0x0004_4000_0000_0000),
    Register { number: 0xc001_1021, value: 0x0004_0000_0000_0040, mask: EXCEPT_BIT_5 },
    Register::whole(0xc001_1022, 0x8680_0004_0157_0000),
    Register::whole(0xc001_102b, 0x2040_cc10),
];

/// AMD family 17h.
pub static ZEN_1_AND_2: Preset = Preset {
    name: "zen1-2",
    registers: &[
        Register::whole(0xc001_1020, 0),
        Register { number: 0xc001_1021, value: 0x40, mask: EXCEPT_BIT_5 },
        Register::whole(0xc001_1022, 0x0151_0000),
        Register::whole(0xc001_102b, 0x2000_cc16),
    ],
    claimed_gain_permille: Some(35),
};

/// AMD family 19h, models 00h–0fh and 20h–5fh.
pub static ZEN_3: Preset = Preset {
    name: "zen3",
    registers: &[
        Register::whole(0xc001_1020, 0x0004_4800_0000_0000),
        Register { number: 0xc001_1021, value: 0x001c_0002_0000_0040, mask: EXCEPT_BIT_5 },
        Register::whole(0xc001_1022, 0xc000_0004_0157_0000),
        Register::whole(0xc001_102b, 0x2000_cc10),
    ],
    claimed_gain_permille: Some(15),
};

/// AMD family 19h, models 10h–1fh and 60h–afh.
pub static ZEN_4: Preset = Preset { name: "zen4", registers: ZEN_4_AND_5, claimed_gain_permille: Some(8) };

/// AMD family 1ah, models 00h–2fh, 40h–4fh and 60h–7fh.
pub static ZEN_5: Preset = Preset { name: "zen5", registers: ZEN_4_AND_5, claimed_gain_permille: None };

/// Intel family 6.
pub static INTEL: Preset = Preset {
    name: "intel",
    registers: &[Register { number: 0x1a4, value: PREFETCHERS, mask: PREFETCHERS }],
    claimed_gain_permille: None,
};

/// The preset of a processor, by what it says of itself; `None` for those that nobody has tried.
pub fn preset(vendor: &str, family: u32, model: u32) -> Option<&'static Preset> {
    match (vendor, family, model) {
        ("AuthenticAMD", 0x17, _) => Some(&ZEN_1_AND_2),
        ("AuthenticAMD", 0x19, 0x00..=0x0f | 0x20..=0x5f) => Some(&ZEN_3),
        ("AuthenticAMD", 0x19, 0x10..=0x1f | 0x60..=0xaf) => Some(&ZEN_4),
        ("AuthenticAMD", 0x1a, 0x00..=0x2f | 0x40..=0x4f | 0x60..=0x7f) => Some(&ZEN_5),
        ("GenuineIntel", 6, _) => Some(&INTEL),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_have_the_presets_of_their_generation() {
        for (vendor, family, model, name) in [
            ("AuthenticAMD", 0x17, 0x01, Some("zen1-2")),
            ("AuthenticAMD", 0x17, 0x71, Some("zen1-2")),
            ("AuthenticAMD", 0x19, 0x01, Some("zen3")),
            ("AuthenticAMD", 0x19, 0x21, Some("zen3")),
            ("AuthenticAMD", 0x19, 0x11, Some("zen4")),
            ("AuthenticAMD", 0x19, 0x61, Some("zen4")),
            ("AuthenticAMD", 0x19, 0x75, Some("zen4")),
            ("AuthenticAMD", 0x1a, 0x02, Some("zen5")),
            ("AuthenticAMD", 0x1a, 0x44, Some("zen5")),
            ("AuthenticAMD", 0x1a, 0x50, None),
            ("AuthenticAMD", 0x15, 0x02, None),
            ("AuthenticAMD", 0x19, 0xb0, None),
            ("GenuineIntel", 6, 0x9e, Some("intel")),
            ("GenuineIntel", 15, 4, None),
            ("HygonGenuine", 0x18, 1, None),
            ("", 0, 0, None),
        ] {
            let found = preset(vendor, family, model).map(|preset| preset.name);
            assert_eq!(found, name, "{vendor} {family:x} {model:x}");
        }
    }

    #[test]
    fn bits_outside_the_mask_stay() {
        let register = INTEL.registers[0];
        assert_eq!(register.wanted(0x30), 0x3f);
        assert_eq!(register.wanted(0x3f), 0x3f);
        let register = ZEN_3.registers[1];
        assert_eq!(register.wanted(0), 0x001c_0002_0000_0040);
        assert_eq!(register.wanted(0xffff_ffff_ffff_ffff), 0x001c_0002_0000_0060);
        for preset in [&ZEN_1_AND_2, &ZEN_3, &ZEN_4, &ZEN_5, &INTEL] {
            assert!(!preset.registers.is_empty(), "{}", preset.name);
            for register in preset.registers {
                assert_eq!(register.value & !register.mask, 0, "{}", preset.name);
            }
        }
    }
}
