use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::doctor::{Level, Report, judge};
use crate::setup::hugepages::Need;
use crate::setup::tests::Tree;

const MEMORY: &str =
    "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\nSwapTotal: 4194304 kB\nSwapFree: 4194304 kB\n";

/// A desktop with everything in order, as files.
fn desktop() -> Tree {
    let tree = Tree::new();
    let pages = "sys/kernel/mm/hugepages/hugepages-2048kB";
    for (path, text) in [
        ("proc/meminfo", MEMORY),
        ("proc/stat", "cpu  10 0 10 100 0 0 0 0\ncpu0 1\ncpu1 1\n"),
        ("proc/cpuinfo", "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 33\nflags\t\t: fpu\n"),
        ("sys/devices/system/cpu/online", "0-1\n"),
        ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "schedutil\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "acpi-cpufreq\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "4000000\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "4000000\n"),
        ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "7\n"),
        ("sys/class/power_supply/AC/type", "Mains\n"),
        ("sys/class/power_supply/AC/online", "1\n"),
        ("sys/class/power_supply/BAT0/type", "Battery\n"),
        ("sys/class/power_supply/BAT0/status", "Full\n"),
        ("sys/class/power_supply/BAT0/capacity", "80\n"),
        ("sys/class/hwmon/hwmon0/name", "k10temp\n"),
        ("sys/class/hwmon/hwmon0/temp1_input", "60000\n"),
        ("sys/class/hwmon/hwmon0/temp1_label", "Tctl\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ] {
        tree.write(path, text);
    }
    for (name, count) in [("nr_hugepages", 1180), ("free_hugepages", 1180), ("resv_hugepages", 0)] {
        tree.write(&format!("{pages}/{name}"), format!("{count}\n"));
    }
    tree.write("home/state/rminer/bench.json", "[]");
    tree.write("home/config/config.toml", "");
    let boot = "sys/module/msr/parameters/allow_writes";
    tree.write(boot, "default\n");
    for unit in [0, 1] {
        tree.write(&format!("dev/cpu/{unit}/msr"), "");
    }
    tree
}

fn inputs(tree: &Tree) -> Inputs {
    Inputs {
        need: Some(Need::one_node(12)),
        mines_on_cpus: true,
        state_folder: Some(tree.folder.path().join("home/state/rminer")),
        config_file: Some(tree.folder.path().join("home/config/config.toml")),
        ..Inputs::default()
    }
}

/// What is not green of what this tree has and this machine has not.
fn told(tree: &Tree) -> Vec<String> {
    let facts = gather(&tree.places, &inputs(tree), &Arc::new(()));
    let report = Report::new(String::new(), judge(&facts));
    // Of this machine, and not of the tree: its clock, its disk, and who runs the tests.
    let is_own = |code: &str| {
        ["root", "clock-unsynchronised", "disk-full", "msr-no-rights", "msr", "power-unknown"].contains(&code)
    };
    let others =
        report.findings.iter().filter(|finding| finding.level != Level::Green && !is_own(&finding.code));
    others.map(|finding| format!("{} {:?}", finding.code, finding.level)).collect()
}

#[test]
fn a_tree_in_order_is_green() {
    let tree = desktop();
    let facts = gather(&tree.places, &inputs(&tree), &Arc::new(()));
    assert_eq!(told(&tree), Vec::<String>::new(), "{facts:#?}");
    assert_eq!(facts.pages.transparent, "madvise");
    assert_eq!((facts.on_battery, facts.msr.preset().map(|preset| preset.name)), (Some(false), Some("zen3")));
    assert_eq!(facts.hot.first().map(|hot| hot.now_c), Some(60.0));
    assert!(facts.storage.is_some() && facts.clock.newest_file_s.is_some());
}

#[test]
fn each_staged_trouble_is_found_in_the_files() {
    type Trouble = (&'static str, fn(&Tree));
    let troubles: [Trouble; 10] = [
        ("huge-pages Yellow", |tree| {
            tree.write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n");
        }),
        ("heat Red", |tree| tree.write("sys/class/hwmon/hwmon0/temp1_input", "96000\n")),
        ("heat Yellow", |tree| tree.write("sys/class/hwmon/hwmon0/temp1_input", "93000\n")),
        ("cpu-governor Yellow", |tree| {
            tree.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
        }),
        ("cpu-clock-limit Yellow", |tree| {
            tree.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "1400000\n");
        }),
        ("cpu-boost-off Yellow", |tree| tree.write("sys/devices/system/cpu/cpufreq/boost", "0\n")),
        ("memory-pressure Yellow", |tree| {
            tree.write("proc/meminfo", MEMORY.replace("SwapFree: 4194304", "SwapFree: 1"));
        }),
        ("battery Red", |tree| {
            tree.write("sys/class/power_supply/AC/online", "0\n");
            tree.write("sys/class/power_supply/BAT0/status", "Discharging\n");
        }),
        ("msr-locked-down Yellow", |tree| {
            tree.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        }),
        ("api-token Red", |tree| {
            tree.write("home/state/rminer/api-token", "0123456789abcdef\n");
            mode_of(tree, "home/state/rminer/api-token", 0o644);
        }),
    ];
    for (expected, stage) in troubles {
        let tree = desktop();
        stage(&tree);
        assert_eq!(told(&tree), [expected]);
    }
}

fn mode_of(tree: &Tree, path: &str, mode: u32) {
    fs::set_permissions(tree.folder.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_others_can_change_is_found_up_to_the_root() {
    let tree = desktop();
    let config = tree.folder.path().join("home/config/config.toml");
    assert_eq!(writable_by_others(&config), Vec::<PathBuf>::new());
    mode_of(&tree, "home/config", 0o777);
    mode_of(&tree, "home/config/config.toml", 0o666);
    let found = writable_by_others(&config);
    assert_eq!(found.len(), 2, "{found:?}");
    // In a folder such as /tmp only the owner may replace a file.
    mode_of(&tree, "home/config", 0o1777);
    assert_eq!(writable_by_others(&config).len(), 1);
}

#[test]
fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above() {
    let tree = desktop();
    let storage = |path: &str| storage(&tree.folder.path().join(path));
    assert_eq!(storage("home/new/rminer").fault, None);
    assert!(storage("home/new/rminer").free_bytes.is_some());
    let fault = storage("home/config/config.toml/rminer").fault;
    assert!(fault.as_ref().is_some_and(|fault| fault.contains("is no folder")), "{fault:?}");
}

#[test]
fn an_empty_machine_says_nothing_and_breaks_nothing() {
    let tree = Tree::new();
    let facts = gather(&tree.places, &Inputs::default(), &Arc::new(()));
    assert_eq!((facts.on_battery, facts.load.others_units, facts.storage), (None, None, None));
    assert!(!facts.pages.is_known && facts.hot.is_empty());
}
