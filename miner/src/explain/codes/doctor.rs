//! Findings of `rminer doctor`, and what `rminer setup` and `rminer report` say.

use super::Entry;

/// In the order of the alphabet.
pub(super) const DOCTOR: &[Entry] = &[
    Entry {
        code: "bad-path",
        meaning: "The path of the program has characters that a unit of systemd's cannot hold.",
        causes: &["the program lies in a folder with spaces or letters beyond ASCII"],
        remedies: &["install it to /usr/local/bin and call it there"],
    },
    Entry {
        code: "battery",
        meaning: "Whether the machine runs on its battery.",
        causes: &["it was unplugged, or its charger gives too little"],
        remedies: &["plug it in; mining pauses meanwhile unless --pause-on says otherwise"],
    },
    Entry {
        code: "clock-unsynchronised",
        meaning: "The kernel says that nobody keeps the machine's clock right.",
        causes: &["no time service runs", "a virtual machine's host keeps it right without telling"],
        remedies: &["sudo timedatectl set-ntp true", "install chrony or systemd-timesyncd"],
    },
    Entry {
        code: "config-writable",
        meaning: "Everybody on this machine can change the configuration, and with it where the miner mines to.",
        causes: &["the file or a folder above it has write rights for all"],
        remedies: &["take them away with the command that is shown (chmod o-w)"],
    },
    Entry {
        code: "cpu-boost-off",
        meaning: "The processor may not go above its nominal clock.",
        causes: &["boost or turbo is off in the firmware or by a tool that saves power"],
        remedies: &["turn it on, unless it is off for heat or noise"],
    },
    Entry {
        code: "cpu-clock-limit",
        meaning: "The processor may not reach the highest clock of its hardware.",
        causes: &["a tool that saves power has set scaling_max_freq", "the firmware's power plan"],
        remedies: &["write the highest clock with the command that is shown"],
    },
    Entry {
        code: "cpu-governor",
        meaning: "The kernel's policy for the processor's clock.",
        causes: &["the policy powersave keeps some drivers at the lowest clock"],
        remedies: &["choose schedutil or performance with the command that is shown"],
    },
    Entry {
        code: "disk-full",
        meaning: "There is little room left where the history is kept.",
        causes: &["something else fills the disk"],
        remedies: &["make room: the history stops when the disk is full, mining does not"],
    },
    Entry {
        code: "doctor-slow",
        meaning: "The machine did not tell about itself in time.",
        causes: &["a sensor's driver hangs", "the state folder is on a network that does not answer"],
        remedies: &["try again; `rminer devices -v` says which sensor does not answer"],
    },
    Entry {
        code: "file-exists",
        meaning: "A report is never written over a file that exists.",
        causes: &["a report of the same name was written before"],
        remedies: &["name another file with --output"],
    },
    Entry {
        code: "gpu-rights",
        meaning: "This user may not use the device files of a graphics card.",
        causes: &["the user is not in the group of the files, mostly render or video"],
        remedies: &["sudo rminer setup gpu-rights, then log in again"],
    },
    Entry {
        code: "gpu-unusable",
        meaning: "A graphics card is there, or could be, and cannot mine.",
        causes: &[
            "its driver or the Vulkan loader is missing",
            "this user may not use it",
            "a container does not show it",
        ],
        remedies: &["do what is said beside it", "rminer devices lists all reasons"],
    },
    Entry {
        code: "heat",
        meaning: "How near a temperature is to where the device is paused.",
        causes: &["dust, a fan that stands, a warm room, or a limit that is set low"],
        remedies: &["clean fans and filters and let air in", "lower --temp-limit to be held back earlier"],
    },
    Entry {
        code: "memory-short",
        meaning: "There is less free memory than was asked for.",
        causes: &["other programs use it", "the machine has less than fast RandomX needs, some 2.4 GiB"],
        remedies: &["end other programs", "--randomx-mode light, which is several times slower"],
    },
    Entry {
        code: "msr",
        meaning: "Whether the processor's registers are set for RandomX: its prefetchers guess in vain where reads are random.",
        causes: &["nobody has set them since the machine was started"],
        remedies: &["sudo rminer setup msr; --persist does it at each start"],
    },
    Entry {
        code: "msr-locked-down",
        meaning: "The kernel lets nobody write registers.",
        causes: &["Secure Boot is on", "the kernel was started with lockdown="],
        remedies: &[
            "turn Secure Boot off in the firmware if you want that",
            "mine on as it is: it costs a few percent",
        ],
    },
    Entry {
        code: "msr-no-module",
        meaning: "The kernel's module that gives access to registers is not loaded.",
        causes: &["most systems do not load it by themselves", "the kernel was built without it"],
        remedies: &["sudo rminer setup msr loads it and sets the registers"],
    },
    Entry {
        code: "msr-no-rights",
        meaning: "Only root may write registers, and the miner needs no root.",
        causes: &["nobody has set them since the machine was started"],
        remedies: &["sudo rminer setup msr, once; --persist does it at each start"],
    },
    Entry {
        code: "msr-unknown-cpu",
        meaning: "Nobody has tried which registers help this processor.",
        causes: &["it is neither a Zen 1 to 5 nor a usual Intel"],
        remedies: &["nothing: mining goes on as it is"],
    },
    Entry {
        code: "msr-virtual-machine",
        meaning: "In a virtual machine the registers are the host's.",
        causes: &["the processor has the flag hypervisor"],
        remedies: &["set them on the host, if it is yours: sudo rminer setup msr there"],
    },
    Entry {
        code: "msr-writes-off",
        meaning: "The kernel forbids register writes by a setting of its own.",
        causes: &["msr.allow_writes=off on the kernel's command line or in modprobe.d"],
        remedies: &["sudo rminer setup msr turns it on, sets the registers, and sets both back with --undo"],
    },
    Entry {
        code: "needs-root",
        meaning: "Only root can do this; nothing was changed.",
        causes: &["rminer setup was called without sudo"],
        remedies: &["call it again with the command that is shown"],
    },
    Entry {
        code: "needs-yes",
        meaning: "Nobody can be asked whether to write the report.",
        causes: &["the input is no terminal"],
        remedies: &["say --yes"],
    },
    Entry {
        code: "no-huge-pages",
        meaning: "This kernel has no huge pages of 2 MiB.",
        causes: &["it was built without them", "a container hides them"],
        remedies: &["set them on the host", "--huge-pages off mines without, about a third slower"],
    },
    Entry {
        code: "no-job",
        meaning: "A pool took the login and gave no work.",
        causes: &["its node is not in step", "it mines another coin"],
        remedies: &["rminer pool test", "ask the pool, or choose another"],
    },
    Entry {
        code: "no-state-folder",
        meaning: "There is no place for what the miner learns.",
        causes: &["neither HOME nor XDG_STATE_HOME is set"],
        remedies: &["set one of them"],
    },
    Entry {
        code: "root",
        meaning: "The program runs as root and needs no root.",
        causes: &["it was started with sudo, or in a container"],
        remedies: &["rminer service install mines as a user of its own"],
    },
    Entry {
        code: "schedule",
        meaning: "Mining is limited to some hours.",
        causes: &["--schedule or safety.schedule says so"],
        remedies: &["change it there if it is not as you want it"],
    },
    Entry {
        code: "setup",
        meaning: "Some steps of a plan failed; the others were done.",
        causes: &["the kernel, the firmware or a program of the system's refused"],
        remedies: &["read the facts beside it", "--undo sets back what was done"],
    },
    Entry {
        code: "setup-state",
        meaning: "What was there before cannot be kept or read, so that nothing more was changed.",
        causes: &[
            "/var/lib/rminer-setup/setup.json is broken, or others can write it",
            "the disk is full or read-only",
        ],
        remedies: &["look at that file; remove it if you know that nothing is to be undone"],
    },
    Entry {
        code: "stolen-time",
        meaning: "The host gave a part of this virtual machine's time to others.",
        causes: &["more is promised on that host than it has"],
        remedies: &["choose a host that is not shared", "mine with fewer threads"],
    },
    Entry {
        code: "tls-pin",
        meaning: "A pool shows another certificate than the one that is pinned.",
        causes: &["the pool has a new certificate", "somebody stands in between"],
        remedies: &["ask the pool for its new pin by another way, then change --tls-pin"],
    },
    Entry {
        code: "tls-untrusted",
        meaning: "Nobody that this machine trusts vouches for a pool's certificate.",
        causes: &["the pool made it itself", "the clock is wrong", "somebody stands in between"],
        remedies: &["compare the pin that is shown with the pool's own words, then give it with --tls-pin"],
    },
];
