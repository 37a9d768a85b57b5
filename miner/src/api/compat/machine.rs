//! What xmrig tells of the processor.

use std::fs;

use crate::devices::topology::Topology;

/// What does not change while the miner runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Machine {
    /// Model name.
    pub(super) brand: String,
    pub(super) family: u64,
    pub(super) model: u64,
    pub(super) stepping: u64,
    /// In xmrig's spelling.
    pub(super) flags: Vec<&'static str>,
    pub(super) l2_bytes: u64,
    pub(super) l3_bytes: u64,
    pub(super) cores: usize,
    pub(super) threads: usize,
    pub(super) packages: usize,
    pub(super) nodes: usize,
}

/// Flags that xmrig names, by their names in the kernel.
const FLAGS: [(&str, &str); 14] = [
    ("aes", "aes"),
    ("vaes", "vaes"),
    ("avx", "avx"),
    ("avx2", "avx2"),
    ("avx512f", "avx512f"),
    ("bmi2", "bmi2"),
    ("osxsave", "osxsave"),
    ("pdpe1gb", "pdpe1gb"),
    ("sse2", "sse2"),
    ("ssse3", "ssse3"),
    ("sse4_1", "sse4.1"),
    ("xop", "xop"),
    ("popcnt", "popcnt"),
    ("hypervisor", "vm"),
];

impl Machine {
    /// This one.
    pub(super) fn detect() -> Self {
        let topology = Topology::detect();
        let mut machine = Self::from_kernel(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
        machine.brand.clone_from(&topology.model);
        machine.l2_bytes = topology.l2_bytes.iter().sum();
        machine.l3_bytes = topology.l3_bytes.iter().sum();
        machine.cores = topology.cores.len();
        machine.threads = topology.pus().count();
        machine.packages = topology.packages();
        machine.nodes = topology.nodes().len();
        machine
    }

    /// What the kernel's `cpuinfo` says of the first processor; what it does not say is 0.
    fn from_kernel(text: &str) -> Self {
        let first = text.split("\n\n").next().unwrap_or_default();
        let field = |name: &str| {
            let fields = first.lines().filter_map(|line| line.split_once(':'));
            fields
                .map(|(key, value)| (key.trim(), value.trim()))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let number = |name: &str| field(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        let has: Vec<&str> =
            field("flags").or_else(|| field("Features")).unwrap_or_default().split(' ').collect();
        Self {
            family: number("cpu family"),
            model: number("model"),
            stepping: number("stepping"),
            flags: FLAGS.iter().filter(|(kernel, _)| has.contains(kernel)).map(|(_, name)| *name).collect(),
            ..Self::default()
        }
    }

    /// Whether it has a feature, in xmrig's spelling.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    /// Family, model and stepping as x86's CPUID packs them into one number (leaf 1, EAX).
    pub(super) fn signature(&self) -> u64 {
        let family = self.family.min(0xF);
        let beyond = self.family - family;
        beyond << 20 | (self.model >> 4) << 16 | family << 8 | (self.model & 0xF) << 4 | self.stepping & 0xF
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_in_xmrigs_spelling() {
        let text = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\
                    stepping\t: 1\nflags\t\t: fpu sse2 ssse3 sse4_1 aes hypervisor avx2\n\nprocessor\t: 1\nmodel\t\t: 9\n";
        let machine = Machine::from_kernel(text);
        assert_eq!((machine.family, machine.model, machine.stepping), (25, 1, 1));
        assert_eq!(machine.flags, ["aes", "avx2", "sse2", "ssse3", "sse4.1", "vm"]);
        assert!(machine.has("aes") && !machine.has("avx"));
        // As xmrig said on that machine, and on a desktop from memory of its data sheet.
        assert_eq!(machine.signature(), 10_489_617);
        assert_eq!(
            Machine { family: 6, model: 158, stepping: 10, ..Machine::default() }.signature(),
            0x906EA
        );
        assert_eq!(Machine::from_kernel(""), Machine::default());
    }
}
