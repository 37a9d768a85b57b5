//! Memory of this process, as the kernel counts it.

/// Memory in use. Huge pages are no part of the resident set, so both belong to a fair figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Resident set (`VmRSS`) in KiB.
    pub resident_kib: u64,
    /// Huge pages (`HugetlbPages`) in KiB.
    pub huge_kib: u64,
}

impl MemoryUse {
    /// Both together, in KiB.
    pub fn total_kib(self) -> u64 {
        self.resident_kib + self.huge_kib
    }
}

/// What this process uses now; `None` where the system does not say.
pub fn memory_use() -> Option<MemoryUse> {
    parse_memory(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// From the text of a process's `status` file.
pub fn parse_memory(status: &str) -> Option<MemoryUse> {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(MemoryUse { resident_kib: kib("VmRSS:")?, huge_kib: kib("HugetlbPages:").unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_count() {
        let status = "Name:\tx\nVmRSS:\t    3700 kB\nHugetlbPages:\t 2134016 kB\n";
        assert_eq!(parse_memory(status).map(MemoryUse::total_kib), Some(2_137_716));
        assert_eq!(parse_memory("VmRSS:\t 5 kB\n"), Some(MemoryUse { resident_kib: 5, huge_kib: 0 }));
        assert_eq!(parse_memory("VmRSS:\t much\n"), None);
    }
}
