//! Huge pages: how many RandomX needs, how many the kernel has, and the steps that give them.

use std::path::PathBuf;

use super::{Places, Step};
use crate::devices::cpu::randomx::huge_pages::needed;
use crate::problem::Problem;
use crate::telemetry::roots::{entries, name_of, read, value};

/// What is written for the next starts of the machine, and nothing else.
const SYSCTL_FILE: &str = "sysctl.d/60-rminer.conf";
/// Bytes of one page.
pub(crate) const PAGE_BYTES: u64 = 2 << 20;
/// Memory that stays for everything else, in bytes.
const SPARE_BYTES: u64 = 512 << 20;
/// Processes that are looked at; the rest is not.
const MAX_PROCESSES: usize = 4096;
/// Memory nodes that are told apart; machines have no more.
const MAX_NODES: usize = 64;

/// What RandomX needs: mining threads on each memory node that has a dataset of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// Number of the node as the kernel has it, and threads there.
    pub threads_by_node: Vec<(u32, u32)>,
}

impl Need {
    /// One node with this many threads.
    pub fn one_node(threads: u32) -> Self {
        Self { threads_by_node: vec![(0, threads)] }
    }

    /// Pages of 2 MiB on all nodes.
    pub fn pages(&self) -> u32 {
        self.threads_by_node.iter().fold(0, |sum, (_, threads)| sum.saturating_add(pages(*threads)))
    }
}

/// Pages of 2 MiB for dataset, cache and so many threads.
fn pages(threads: u32) -> u32 {
    needed(usize::try_from(threads).unwrap_or(usize::MAX), true)
}

/// What the kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    /// Whether the kernel has huge pages of 2 MiB at all.
    pub is_known: bool,
    /// Pages set aside.
    pub total: u32,
    /// Of them, those that nobody uses or has asked for.
    pub free: u32,
    /// Of them, those that miners of this program hold.
    pub own: u32,
    /// Free pages of 1 GiB.
    pub giant_free: u32,
    /// By node: its number and what is set aside there. Empty where there is one node.
    pub by_node: Vec<(u32, u32)>,
    /// Memory that a new program could have, in bytes.
    pub available_bytes: Option<u64>,
    /// The kernel's word on transparent huge pages: `always`, `madvise`, `never`; empty where it has none.
    pub transparent: String,
}

impl Pages {
    /// As they are now.
    pub fn look(places: &Places) -> Self {
        let folder = places.roots.sys.join("kernel/mm/hugepages/hugepages-2048kB");
        let number = |name: &str| value::<u32>(&folder.join(name));
        let reserved = number("resv_hugepages").unwrap_or(0);
        let giant = places.roots.sys.join("kernel/mm/hugepages/hugepages-1048576kB/free_hugepages");
        let nodes = node_files(places);
        let by_node: Vec<_> =
            nodes.iter().filter_map(|(node, path)| Some((*node, value::<u32>(path)?))).collect();
        let transparent = read(&places.roots.sys.join("kernel/mm/transparent_hugepage/enabled"));
        Self {
            is_known: number("nr_hugepages").is_some(),
            total: number("nr_hugepages").unwrap_or(0),
            free: number("free_hugepages").unwrap_or(0).saturating_sub(reserved),
            own: own_pages(places),
            giant_free: value(&giant).unwrap_or(0),
            by_node: if by_node.len() > 1 { by_node } else { Vec::new() },
            available_bytes: available_bytes(places),
            transparent: transparent.ok().and_then(|text| chosen(&text)).unwrap_or_default(),
        }
    }

    /// Pages that a miner can have: free ones and those that it holds.
    pub fn usable(&self) -> u32 {
        self.free.saturating_add(self.own)
    }

    /// What `vm.nr_hugepages` should be, so that the need is met beside what others hold. Never less than it is.
    pub fn target(&self, need: &Need) -> u32 {
        let others = self.total.saturating_sub(self.free).saturating_sub(self.own);
        others.saturating_add(need.pages()).max(self.total)
    }
}

/// The steps that meet the need.
///
/// # Errors
/// When the kernel has no huge pages, or the machine too little memory.
pub fn plan(places: &Places, have: &Pages, need: &Need, persist: bool) -> Result<Vec<Step>, Problem> {
    if !have.is_known {
        let problem = Problem::error("no-huge-pages", "this kernel has no huge pages of 2 MiB");
        return Err(problem.help("mine with --huge-pages off; RandomX runs about a third slower"));
    }
    let target = have.target(need);
    let more_bytes = u64::from(target - have.total) * PAGE_BYTES;
    if let Some(available) = have.available_bytes
        && more_bytes > 0
        && available < more_bytes + SPARE_BYTES
    {
        let summary = format!(
            "{} MiB of memory are available, and {} MiB more of huge pages would leave too little",
            available >> 20,
            more_bytes >> 20
        );
        let problem = Problem::error("memory-short", summary).fact(format!(
            "need {} pages of 2 MiB, set aside {}",
            need.pages(),
            have.total
        ));
        return Err(problem
            .help("end other programs and try again, or mine with --randomx-mode light, which is several times slower"));
    }
    let mut steps = Vec::new();
    if target > have.total {
        steps.extend(values(places, have, need, target));
    }
    if persist {
        let text = format!(
            "# Written by `rminer setup hugepages --persist`; `rminer setup hugepages --undo` removes it.\nvm.nr_hugepages = {target}\n"
        );
        steps.extend(Step::file(
            places.etc.join(SYSCTL_FILE),
            text,
            "at each start of the machine, while memory is whole",
        ));
    }
    Ok(steps)
}

/// One number for the machine, or one for each node that mines: the kernel spreads the first evenly.
fn values(places: &Places, have: &Pages, need: &Need, target: u32) -> Vec<Step> {
    let why = |pages: u32| format!("{pages} pages of 2 MiB are needed for dataset, cache and threads");
    if have.by_node.len() < 2 || need.threads_by_node.len() < 2 {
        let path = places.roots.proc_.join("sys/vm/nr_hugepages");
        return vec![Step::value(path, have.total, target, &why(need.pages()))];
    }
    let files = node_files(places);
    let mut steps = Vec::new();
    for (node, threads) in &need.threads_by_node {
        let now = have.by_node.iter().find(|(number, _)| number == node).map(|(_, pages)| *pages);
        let file = files.iter().find(|(number, _)| number == node);
        let (Some(now), Some((_, path))) = (now, file) else { continue };
        let wanted = pages(*threads);
        if wanted > now {
            steps.push(Step::value(path.clone(), now, wanted, &format!("node {node}: {}", why(wanted))));
        }
    }
    steps
}

/// What to say when the kernel gave fewer pages than it was asked for.
pub fn shortfall(have: &Pages, need: &Need) -> Option<Problem> {
    let (usable, wanted) = (have.usable(), need.pages());
    if usable >= wanted {
        return None;
    }
    let summary = format!("the kernel gave {usable} of {wanted} huge pages: free memory is too scattered");
    Some(
        Problem::warning("huge-pages", summary)
            .fact(format!("vm.nr_hugepages = {}, of them free {}", have.total, have.free))
            .help("sudo sh -c 'echo 3 > /proc/sys/vm/drop_caches; echo 1 > /proc/sys/vm/compact_memory', then again")
            .help("sudo rminer setup hugepages --persist, then restart the machine: memory is whole at its start"),
    )
}

/// The chosen one of several words, which stands in brackets.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// The files with the number of pages of each memory node.
fn node_files(places: &Places) -> Vec<(u32, PathBuf)> {
    let nodes = entries(&places.roots.sys.join("devices/system/node"));
    let file = |path: PathBuf| {
        let number = name_of(&path).strip_prefix("node")?.parse().ok()?;
        Some((number, path.join("hugepages/hugepages-2048kB/nr_hugepages")))
    };
    nodes.into_iter().filter_map(file).take(MAX_NODES).collect()
}

/// Pages that processes of this program hold.
fn own_pages(places: &Places) -> u32 {
    let is_process = |path: &PathBuf| name_of(path).bytes().all(|byte| byte.is_ascii_digit());
    let processes = entries(&places.roots.proc_).into_iter().filter(is_process).take(MAX_PROCESSES);
    let pages = processes.filter_map(|folder| {
        let status = read(&folder.join("status")).ok()?;
        let own = status.lines().next()?.strip_prefix("Name:")?.trim() == "rminer";
        own.then(|| crate::bench::parse_memory(&status))?.map(|memory| memory.huge_kib * 1024 / PAGE_BYTES)
    });
    u32::try_from(pages.sum::<u64>()).unwrap_or(u32::MAX)
}

fn available_bytes(places: &Places) -> Option<u64> {
    let text = read(&places.roots.proc_.join("meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
