use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::*;
use crate::setup::apply::{OwnHands, apply, undo};
use crate::setup::plan_text;
use crate::setup::tests::{Tree, TreeHands};

/// A machine of files with a processor that has a preset and nothing in the way.
fn machine(cpuinfo: &str) -> Tree {
    let tree = Tree::new();
    tree.write("proc/cpuinfo", cpuinfo);
    tree.write("sys/devices/system/cpu/online", "0-1\n");
    tree.write("sys/module/msr/parameters/allow_writes", "default\n");
    for unit in [0, 1] {
        tree.write(&format!("dev/cpu/{unit}/msr"), "");
    }
    tree
}

const INTEL: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 158\nmodel name\t: Core\nflags\t\t: fpu msr\n";
const ZEN_3: &str =
    "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 33\nmodel name\t: Ryzen\nflags\t\t: fpu msr\n";
const VIRTUAL: &str = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: EPYC\nflags\t\t: fpu hypervisor\n";

fn set(tree: &Tree, unit: u32, number: u32, value: u64) {
    let file = OpenOptions::new().write(true).open(register_file(&tree.places, unit)).unwrap();
    file.write_all_at(&value.to_le_bytes(), u64::from(number)).unwrap();
}

#[test]
fn a_register_is_written_read_back_and_set_back_on_every_unit() {
    let tree = machine(INTEL);
    set(&tree, 0, 0x1a4, 0x30);
    set(&tree, 1, 0x1a4, 0x31);
    let facts = Facts::look(&tree.places, true);
    assert_eq!(facts.values, Some(vec![0x30]));
    let state = facts.state();
    assert_eq!((state.preset, state.is_set, state.cause), (Some("intel"), false, None));
    let steps = plan(&tree.places, &facts, None).unwrap();
    assert_eq!(plan_text(&steps), "  units 0 to 1: register 0x1a4 to 0xf in the bits 0xf\n");
    let outcome = apply(&tree.places, PART, &steps, &mut OwnHands).unwrap();
    assert_eq!((outcome.changed, outcome.failed.len()), (2, 0));
    let values = || [0, 1].map(|unit| read_register(&tree.places, unit, 0x1a4).unwrap());
    assert_eq!(values(), [0x3f, 0x3f]);
    assert!(Facts::look(&tree.places, true).state().is_set);
    // Whoever may not read registers sees it in the state file.
    let blind = Facts { values: None, ..Facts::look(&tree.places, false) };
    assert!(blind.state().is_set, "{blind:?}");
    assert_eq!(blind.state().text(), "preset intel is set");
    undo(&tree.places, PART, false, &mut OwnHands).unwrap();
    assert_eq!(values(), [0x30, 0x31]);
    assert!(!Facts { values: None, ..Facts::look(&tree.places, false) }.state().is_set);
}

#[test]
fn all_registers_of_a_preset_are_set_and_those_that_refuse_are_told() {
    let tree = machine(ZEN_3);
    let facts = Facts::look(&tree.places, true);
    let steps = plan(&tree.places, &facts, None).unwrap();
    assert_eq!(steps.len(), 8);
    let preset = facts.preset().unwrap();
    let mut hands = TreeHands::default();
    for unit in [0, 1] {
        for register in preset.registers {
            hands.registers.insert((unit, register.number), 0x20);
        }
    }
    let before = hands.registers.clone();
    hands.stuck.insert((1, preset.registers[0].number));
    hands.forgetful.insert((1, preset.registers[2].number));
    let outcome = apply(&tree.places, PART, &steps, &mut hands).unwrap();
    assert_eq!((outcome.changed, outcome.failed.len()), (6, 2), "{outcome:?}");
    assert!(outcome.failed[0].contains("cannot write register 0xc0011020 of unit 1"), "{outcome:?}");
    assert!(outcome.failed[1].contains("it holds 0x20"), "{outcome:?}");
    assert_eq!(hands.registers[&(0, 0xc001_1021)], 0x001c_0002_0000_0060, "bit 5 stays");
    undo(&tree.places, PART, false, &mut hands).unwrap();
    assert_eq!(hands.registers, before);
}

#[test]
fn the_causes_are_told_apart() {
    let cause = |tree: &Tree, is_root: bool| {
        let facts = Facts { values: None, ..Facts::look(&tree.places, is_root) };
        facts.state().cause.map(|cause| cause.code())
    };
    let none = machine(ZEN_3);
    assert_eq!(cause(&none, true), None);
    assert_eq!(cause(&none, false), Some("msr-no-rights"));
    let off = machine(ZEN_3);
    off.write("sys/module/msr/parameters/allow_writes", "off\n");
    assert_eq!((cause(&off, true), cause(&off, false)), (Some("msr-writes-off"), Some("msr-writes-off")));
    let no_module = machine(ZEN_3);
    std::fs::remove_dir_all(no_module.places.dev.join("cpu")).unwrap();
    assert_eq!(cause(&no_module, true), Some("msr-no-module"));
    let locked = machine(ZEN_3);
    locked.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    assert_eq!(cause(&locked, true), Some("msr-locked-down"));
    locked.write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    assert_eq!(cause(&locked, true), None);
    assert_eq!(cause(&machine(VIRTUAL), true), Some("msr-virtual-machine"));
    let arm = machine("processor : 0\nCPU implementer : 0x41\n");
    assert_eq!(cause(&arm, true), Some("msr-unknown-cpu"));
    let causes = [
        Cause::UnknownCpu,
        Cause::VirtualMachine,
        Cause::LockedDown,
        Cause::NoModule,
        Cause::WritesOff,
        Cause::NoRights,
    ];
    let mut texts: Vec<_> =
        causes.iter().flat_map(|cause| [cause.short(), cause.help(), cause.code()]).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 18, "each has words of its own");
}

#[test]
fn secure_boot_is_named_where_it_is_on() {
    let tree = machine(ZEN_3);
    tree.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    let told = |tree: &Tree| {
        let facts = Facts::look(&tree.places, true);
        plan(&tree.places, &facts, None).unwrap_err().to_string()
    };
    assert!(told(&tree).contains("Secure Boot is off or unknown"), "{}", told(&tree));
    tree.write("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", [6, 0, 0, 0, 1]);
    assert!(told(&tree).contains("lockdown mode integrity; Secure Boot is on"), "{}", told(&tree));
}

#[test]
fn steps_take_away_what_root_can_take_away() {
    let tree = machine(ZEN_3);
    tree.write("sys/module/msr/parameters/allow_writes", "off\n");
    let steps = plan(&tree.places, &Facts::look(&tree.places, true), Some("/usr/bin/rminer")).unwrap();
    assert!(plan_text(&steps).contains("write on to"), "{}", plan_text(&steps));
    let mut hands = TreeHands::default();
    for unit in [0, 1] {
        for register in Facts::look(&tree.places, true).preset().unwrap().registers {
            hands.registers.insert((unit, register.number), 0);
        }
    }
    apply(&tree.places, PART, &steps, &mut hands).unwrap();
    assert_eq!(tree.read("sys/module/msr/parameters/allow_writes").as_deref(), Some("on\n"));
    let unit = tree.read("etc/systemd/system/rminer-setup.service").unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/rminer setup msr\n"), "{unit}");
    undo(&tree.places, PART, false, &mut hands).unwrap();
    assert_eq!(tree.read("sys/module/msr/parameters/allow_writes").as_deref(), Some("off\n"));
    assert_eq!(tree.read("etc/systemd/system/rminer-setup.service"), None);
    assert_eq!(
        hands.ran,
        ["systemctl enable rminer-setup.service", "systemctl disable rminer-setup.service"]
    );

    let bare = machine(ZEN_3);
    std::fs::remove_dir_all(bare.places.dev.join("cpu")).unwrap();
    std::fs::remove_dir_all(bare.places.roots.sys.join("module")).unwrap();
    let steps = plan(&bare.places, &Facts::look(&bare.places, true), None).unwrap();
    assert!(matches!(&steps[0], Step::Module { name, .. } if name == "msr"), "{steps:?}");
    let mut hands = TreeHands { fails: true, ..TreeHands::default() };
    let outcome = apply(&bare.places, PART, &steps, &mut hands).unwrap();
    assert_eq!(hands.ran, ["modprobe msr"]);
    assert!(outcome.failed[0].contains("modprobe") && outcome.changed == 0, "{outcome:?}");
}

#[test]
fn lists_of_units_have_a_bound() {
    assert_eq!(units("0-3,6\n"), [0, 1, 2, 3, 6]);
    assert_eq!(units(""), [] as [u32; 0]);
    assert_eq!(units("x,2-1,5"), [5]);
    assert_eq!(units("0-4294967295,7").len(), MAX_UNITS);
}
