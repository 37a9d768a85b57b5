//! Huge pages and free memory, as the kernel reports them.

use std::fs;
use std::path::{Path, PathBuf};

use rminer_algos::randomx::{CACHE_BYTES, DATASET_BYTES, GIANT_PAGES, MAX_LANES, SCRATCHPAD_BYTES};

use crate::problem::Problem;

const PAGE_BYTES: u64 = 2 << 20;

/// Pages of 2 MiB that a dataset takes.
pub(crate) const DATASET_PAGES: u32 = pages(DATASET_BYTES);

/// Pages of 2 MiB that a cache takes while a dataset is filled from it.
pub(crate) const CACHE_PAGES: u32 = pages(CACHE_BYTES);

/// Pages of 2 MiB that each lane of a machine takes.
pub(crate) const MACHINE_PAGES: u32 = pages(SCRATCHPAD_BYTES);

#[allow(clippy::cast_possible_truncation, reason = "constants of a few thousand pages")]
const fn pages(bytes: u64) -> u32 {
    (bytes / PAGE_BYTES) as u32
}

/// Pages of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pool {
    pub(crate) total: u32,
    pub(crate) free: u32,
}

/// Pages of 2 MiB. All zeros where the kernel has none or does not say.
pub(crate) fn pool_2_mib() -> Pool {
    pool(Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB"))
}

/// Pages of 1 GiB.
pub(crate) fn pool_1_gib() -> Pool {
    pool(Path::new("/sys/kernel/mm/hugepages/hugepages-1048576kB"))
}

/// Memory in free huge pages, in bytes; the kernel counts it as used.
pub(crate) fn free_bytes() -> u64 {
    u64::from(pool_2_mib().free) * PAGE_BYTES + (u64::from(pool_1_gib().free) << 30)
}

fn pool(folder: &Path) -> Pool {
    let number = |name| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        text.trim().parse().ok()
    };
    let free: u32 = number("free_hugepages").unwrap_or(0);
    // Reserved ones count as free, but belong to somebody.
    let reserved = number("resv_hugepages").unwrap_or(0);
    Pool { total: number("nr_hugepages").unwrap_or(0), free: free.saturating_sub(reserved) }
}

/// Pages of 2 MiB for everything that so many threads need, with the dataset or without it.
pub(crate) fn needed(threads: usize, with_dataset: bool) -> u32 {
    let machines = u32::try_from(threads).unwrap_or(u32::MAX).saturating_mul(MACHINE_PAGES);
    if !with_dataset {
        return CACHE_PAGES.saturating_add(machines);
    }
    // Threads that hash several nonces at once take those of the cache, which is gone by then.
    let lanes = u32::try_from(MAX_LANES).unwrap_or(1);
    let beside_dataset = CACHE_PAGES.saturating_add(machines).max(machines.saturating_mul(lanes));
    DATASET_PAGES.saturating_add(beside_dataset)
}

/// The warning for pages that are missing: what it costs, the numbers, and the command that fixes it.
pub(crate) fn missing(pool: Pool, machines: usize) -> Problem {
    let need = needed(machines, true);
    let used = pool.total.saturating_sub(pool.free);
    let set = used.saturating_add(need);
    Problem::warning(
        "huge-pages",
        format!("{} of {need} huge pages are free; RandomX runs about a third slower without", pool.free),
    )
    .fact(format!(
        "need {need} pages of 2 MiB for dataset, cache and threads; vm.nr_hugepages = {}",
        pool.total
    ))
    .help(format!(
        "sudo rminer setup hugepages     (does: sysctl -w vm.nr_hugepages={set}; --persist keeps it)"
    ))
    .help("mining goes on without; --huge-pages off silences this")
}

/// The warning for pages of 1 GiB that were asked for and are missing.
pub(crate) fn missing_giant(pool: Pool) -> Problem {
    const FILE: &str = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages";
    let used = pool.total.saturating_sub(pool.free);
    let set = used.saturating_add(u32::try_from(GIANT_PAGES).unwrap_or(u32::MAX));
    Problem::warning(
        "giant-pages",
        format!("{} of {GIANT_PAGES} pages of 1 GiB are free; 2 MiB do too", pool.free),
    )
    .help(format!("echo {set} | sudo tee {FILE}"))
    .help("where memory is too scattered by now, boot with hugepagesz=1G hugepages=N")
}

/// Memory that can still be used, in bytes: what the kernel has available, less where a control group (a
/// container) allows less. `None` when nothing is known.
pub(crate) fn available_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(mem_available);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    let group = group_folder(root, &groups).and_then(|folder| group_room(root, &folder));
    match (machine, group) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (machine, group) => machine.or(group),
    }
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// The folder of this process in the unified hierarchy.
fn group_folder(root: &Path, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(root.join(path.trim_start_matches('/')))
}

/// The least room that the group and the groups around it leave.
fn group_room(root: &Path, folder: &Path) -> Option<u64> {
    let room = |folder: &Path| {
        let number = |name| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        // `max` is no number: no limit.
        Some(number("memory.max")?.saturating_sub(number("memory.current")?))
    };
    folder.ancestors().take_while(|folder| folder.starts_with(root)).filter_map(room).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_asks_for_what_is_missing_and_keeps_what_others_use() {
        let text = missing(Pool { total: 100, free: 40 }, 12).to_string();
        assert!(text.contains("40 of 1180 huge pages are free"), "{text}");
        assert!(
            text.contains("sudo rminer setup hugepages     (does: sysctl -w vm.nr_hugepages=1240;"),
            "{text}"
        );
        assert!(text.contains("vm.nr_hugepages = 100"), "{text}");
        assert_eq!((needed(12, true), needed(12, false)), (1180, 140));
        assert_eq!(needed(100, true), 1040 + 300, "three lanes for each thread, once the cache is gone");
        let text = missing_giant(Pool { total: 3, free: 1 }).to_string();
        assert!(text.contains("1 of 2 pages of 1 GiB are free"), "{text}");
        assert!(text.contains("echo 4 | sudo tee"), "{text}");
    }

    #[test]
    fn meminfo_and_groups() {
        assert_eq!(mem_available("MemFree: 1 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(mem_available("MemAvailable: much\n"), None);
        let root = Path::new("/groups");
        let folder = group_folder(root, "12:cpu:/x\n0::/user.slice/a.scope\n").unwrap();
        assert_eq!(folder, Path::new("/groups/user.slice/a.scope"));
        assert_eq!(group_folder(root, "1:memory:/x\n"), None);
    }

    #[test]
    fn the_least_room_of_all_groups_counts() {
        let root = std::env::temp_dir().join(format!("rminer-groups-{}", std::process::id()));
        let group = |path: &str, max: &str, current: &str| {
            let folder = root.join(path);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.max"), max).unwrap();
            fs::write(folder.join("memory.current"), current).unwrap();
            folder
        };
        group("a", "5000\n", "1000\n");
        let inner = group("a/b", "max\n", "900\n");
        assert_eq!(group_room(&root, &inner), Some(4000));
        let innermost = group("a/b/c", "1500\n", "700\n");
        assert_eq!(group_room(&root, &innermost), Some(800));
        let full = group("full", "10\n", "11\n");
        assert_eq!(group_room(&root, &full), Some(0));
        assert_eq!(group_room(&root, &root.join("nosuch")), None);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn absent_pools_are_empty() {
        assert_eq!(pool(Path::new("/nonexistent")), Pool::default());
    }
}
