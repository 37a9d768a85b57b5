use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::apply::{Hands, apply, kept, undo};
use super::hugepages::{Need, Pages};
use super::*;

/// Hands that work on a tree, with registers in memory, and note what they ran.
#[derive(Default)]
pub(super) struct TreeHands {
    pub(super) registers: BTreeMap<(u32, u32), u64>,
    /// Registers that refuse to be written, and those that take a value and do not hold it.
    pub(super) stuck: BTreeSet<(u32, u32)>,
    pub(super) forgetful: BTreeSet<(u32, u32)>,
    pub(super) ran: Vec<String>,
    pub(super) fails: bool,
}

impl Hands for TreeHands {
    fn run(&mut self, words: &[&str]) -> Result<(), String> {
        self.ran.push(words.join(" "));
        if self.fails { Err(format!("{}: not here", words[0])) } else { Ok(()) }
    }

    fn register(&mut self, _: &Places, unit: u32, number: u32) -> io::Result<u64> {
        self.registers.get(&(unit, number)).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn set_register(&mut self, _: &Places, unit: u32, number: u32, value: u64) -> io::Result<()> {
        if self.stuck.contains(&(unit, number)) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        if !self.forgetful.contains(&(unit, number)) {
            self.registers.insert((unit, number), value);
        }
        Ok(())
    }
}

/// A machine of files.
pub(crate) struct Tree {
    pub(crate) folder: TempDir,
    pub(crate) places: Places,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::below(folder.path());
        let tree = Self { folder, places };
        tree.write("proc/sys/kernel/random/boot_id", "first\n");
        tree
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.folder.path().join(path)).ok()
    }

    /// With a pool of huge pages; nothing takes any by itself.
    fn with_pages(total: u32, free: u32) -> Self {
        let tree = Self::new();
        tree.write("proc/sys/vm/nr_hugepages", format!("{total}\n"));
        tree.pages("sys/kernel/mm/hugepages/hugepages-2048kB", total, free);
        tree.write("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n");
        tree
    }

    fn pages(&self, folder: &str, total: u32, free: u32) {
        self.write(&format!("{folder}/nr_hugepages"), format!("{total}\n"));
        self.write(&format!("{folder}/free_hugepages"), format!("{free}\n"));
        self.write(&format!("{folder}/resv_hugepages"), "0\n");
    }

    /// All files but the state, with what stands in them.
    fn all(&self) -> BTreeMap<PathBuf, String> {
        fn walk(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    walk(&entry.path(), files);
                } else {
                    files.insert(entry.path(), fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(self.folder.path(), &mut files);
        files
    }
}

fn need() -> Need {
    Need::one_node(12)
}

#[test]
fn pages_are_set_kept_over_restarts_and_set_back() {
    let tree = Tree::with_pages(100, 100);
    let before = tree.all();
    let have = Pages::look(&tree.places);
    assert_eq!((have.total, have.free, have.own, have.is_known), (100, 100, 0, true));
    let steps = hugepages::plan(&tree.places, &have, &need(), true).unwrap();
    let text = plan_text(&steps);
    assert!(text.contains("write 1180 to") && text.contains("(now 100)"), "{text}");
    assert!(text.contains("etc/sysctl.d/60-rminer.conf"), "{text}");
    let hands = &mut TreeHands::default();
    let outcome = apply(&tree.places, "hugepages", &steps, hands).unwrap();
    assert_eq!((outcome.changed, outcome.unchanged, outcome.failed.len()), (2, 0, 0));
    assert_eq!(tree.read("proc/sys/vm/nr_hugepages").unwrap().trim(), "1180");
    assert!(tree.read("etc/sysctl.d/60-rminer.conf").unwrap().contains("\nvm.nr_hugepages = 1180\n"));
    // Once more: nothing changes, and what was there at first is still what comes back.
    let again = apply(&tree.places, "hugepages", &steps, hands).unwrap();
    assert_eq!((again.changed, again.unchanged), (0, 2));
    let back = undo(&tree.places, "hugepages", false, hands).unwrap();
    assert_eq!((back.changed, back.failed.len()), (2, 0));
    assert_eq!(tree.all(), before);
    assert_eq!(undo(&tree.places, "hugepages", false, hands).unwrap(), apply::Outcome::default());
}

#[test]
fn pages_that_a_miner_holds_are_not_asked_for_again() {
    let tree = Tree::with_pages(1280, 120);
    tree.write("proc/41/status", "Name:\trminer\nVmRSS:\t 9 kB\nHugetlbPages:\t 2170880 kB\n");
    tree.write("proc/42/status", "Name:\tdatabase\nVmRSS:\t 9 kB\nHugetlbPages:\t 204800 kB\n");
    let have = Pages::look(&tree.places);
    assert_eq!((have.own, have.usable(), have.target(&need())), (1060, 1180, 1280));
    assert_eq!(hugepages::plan(&tree.places, &have, &need(), false).unwrap(), []);
}

#[test]
fn pages_of_several_nodes_are_set_on_each() {
    let tree = Tree::with_pages(0, 0);
    for node in [0, 1] {
        tree.pages(&format!("sys/devices/system/node/node{node}/hugepages/hugepages-2048kB"), 0, 0);
    }
    let need = Need { threads_by_node: vec![(0, 6), (1, 4)] };
    let steps = hugepages::plan(&tree.places, &Pages::look(&tree.places), &need, false).unwrap();
    let text = plan_text(&steps);
    assert!(text.contains("write 1174 to") && text.contains("write 1172 to") && steps.len() == 2, "{text}");
    assert_eq!(need.pages(), 2346);
}

#[test]
fn too_little_memory_and_too_few_pages_are_told() {
    let tree = Tree::with_pages(0, 0);
    tree.write("proc/meminfo", "MemAvailable: 2097152 kB\n");
    let problem = hugepages::plan(&tree.places, &Pages::look(&tree.places), &need(), false).unwrap_err();
    assert_eq!(problem.code, "memory-short");
    let none = Tree::new();
    let problem = hugepages::plan(&none.places, &Pages::look(&none.places), &need(), false).unwrap_err();
    assert_eq!(problem.code, "no-huge-pages");
    let few = Pages { total: 900, free: 900, ..Pages::default() };
    let told = hugepages::shortfall(&few, &need()).unwrap().to_string();
    assert!(
        told.contains("900 of 1180") && told.contains("drop_caches") && told.contains("--persist"),
        "{told}"
    );
    assert_eq!(hugepages::shortfall(&Pages { free: 1180, ..few }, &need()), None);
}

#[test]
fn a_restart_sets_back_by_itself_what_does_not_stay() {
    let tree = Tree::with_pages(0, 0);
    let steps = hugepages::plan(&tree.places, &Pages::look(&tree.places), &need(), true).unwrap();
    apply(&tree.places, "hugepages", &steps, &mut TreeHands::default()).unwrap();
    tree.write("proc/sys/kernel/random/boot_id", "second\n");
    let kept = kept(&tree.places, "hugepages").unwrap();
    assert!(matches!(&kept[..], [Saved::File { before: None, .. }]), "{kept:?}");
    // The unit that stops leaves files alone.
    undo(&tree.places, "hugepages", true, &mut TreeHands::default()).unwrap();
    assert!(tree.read("etc/sysctl.d/60-rminer.conf").is_some());
    undo(&tree.places, "hugepages", false, &mut TreeHands::default()).unwrap();
    assert_eq!(tree.read("etc/sysctl.d/60-rminer.conf"), None);
    assert_eq!(tree.read("var/lib/rminer-setup/setup.json"), None);
}

#[test]
fn what_fails_is_told_and_the_rest_is_done() {
    let tree = Tree::new();
    tree.write("proc/a", "1\n");
    let value = |name: &str| Step::value(tree.folder.path().join(name), "1", "2", "test");
    let steps = [value("proc/none"), value("proc/a"), Step::Unit { name: "x.service".into() }];
    let mut hands = TreeHands { fails: true, ..TreeHands::default() };
    let outcome = apply(&tree.places, "test", &steps, &mut hands).unwrap();
    assert_eq!((outcome.changed, outcome.failed.len()), (1, 2));
    assert!(outcome.failed[0].contains("proc/none") && outcome.failed[1].contains("not here"), "{outcome:?}");
    assert_eq!(tree.read("proc/a").as_deref(), Some("2\n"));
    assert_eq!(kept(&tree.places, "test").unwrap().len(), 1, "what was not done is not undone");
    assert_eq!(kept(&tree.places, "other").unwrap().len(), 0);
}

#[test]
fn a_state_that_others_could_have_written_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;
    let tree = Tree::new();
    tree.write("var/lib/rminer-setup/setup.json", "[]");
    assert_eq!(kept(&tree.places, "msr"), Ok(Vec::new()));
    let path = tree.places.state.join("rminer-setup/setup.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(kept(&tree.places, "msr").unwrap_err().contains("written by others"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    tree.write("var/lib/rminer-setup/setup.json", "[{");
    assert!(kept(&tree.places, "msr").unwrap_err().contains("understood"));
    tree.write("var/lib/rminer-setup/setup.json", vec![b' '; (4 << 20) + 1]);
    assert!(kept(&tree.places, "msr").is_err());
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(kept(&tree.places, "msr").is_err());
}

#[test]
fn rights_come_from_the_groups_of_the_device_files() {
    let tree = Tree::new();
    let facts = |user: &str| rights::Facts::look(&tree.places, user);
    tree.write("etc/group", "root:x:0:\nrender:x:105:other\nvideo:x:44:miner,other\n");
    let problem = rights::plan(&tree.places, &facts("miner")).unwrap_err();
    assert_eq!(problem.code, "no-device");
    tree.write("dev/dri/renderD128", "");
    let owner =
        std::os::unix::fs::MetadataExt::gid(&fs::metadata(tree.places.dev.join("dri/renderD128")).unwrap());
    assert_eq!(rights::plan(&tree.places, &facts("root")).unwrap_err().code, "no-user");
    if owner == 0 {
        // It is root's alone: a rule gives it to a group.
        let steps = rights::plan(&tree.places, &facts("miner")).unwrap();
        assert!(
            matches!(&steps[0], Step::File { path, .. } if path.ends_with("60-rminer-gpu.rules")),
            "{steps:?}"
        );
        assert_eq!(steps[1], Step::Member { user: "miner".into(), group: "render".into() });
    }
    tree.write("etc/group", format!("cards:x:{owner}:\nvideo:x:44000:miner\n"));
    let steps = rights::plan(&tree.places, &facts("miner")).unwrap();
    assert_eq!(steps, [Step::Member { user: "miner".into(), group: "cards".into() }]);
    let mut hands = TreeHands::default();
    apply(&tree.places, "gpu-rights", &steps, &mut hands).unwrap();
    undo(&tree.places, "gpu-rights", false, &mut hands).unwrap();
    assert_eq!(hands.ran, ["usermod -aG cards miner", "gpasswd -d miner cards"]);
    tree.write("etc/group", format!("cards:x:{owner}:miner\n"));
    assert_eq!(rights::plan(&tree.places, &facts("miner")).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is planned, applied, applied again and fails in between: undo brings back what was there.
    #[test]
    fn undo_brings_back_what_was_there(
        values in prop::collection::vec(("[a-d]", 0u32..4, 0u32..4), 0..6),
        files in prop::collection::vec(("[e-h]", "[xy]{0,2}", prop::option::of("[xy]{0,2}")), 0..6),
        registers in prop::collection::vec((0u32..3, 0u32..3, 0u64..8, 0u64..8), 0..8),
        rounds in 1usize..3,
    ) {
        let tree = Tree::new();
        let mut hands = TreeHands::default();
        let mut steps = Vec::new();
        for (name, before, after) in &values {
            tree.write(&format!("proc/{name}"), format!("{before}\n"));
            steps.push(Step::value(tree.folder.path().join("proc").join(name), before, after, "test"));
        }
        for (name, after, before) in &files {
            if let Some(before) = before {
                tree.write(&format!("etc/{name}"), before);
            }
            steps.extend(Step::file(tree.folder.path().join("etc").join(name), after.clone(), "test"));
        }
        fs::create_dir_all(tree.folder.path().join("etc")).unwrap();
        for (unit, number, before, after) in &registers {
            hands.registers.insert((*unit, *number), *before);
            let register = Register { number: *number, value: *after, mask: 7 };
            steps.push(Step::Register { unit: *unit, register });
        }
        let before = (tree.all(), hands.registers.clone());
        for _ in 0..rounds {
            apply(&tree.places, "test", &steps, &mut hands).unwrap();
        }
        undo(&tree.places, "test", false, &mut hands).unwrap();
        prop_assert_eq!((tree.all(), hands.registers), before);
    }
}
