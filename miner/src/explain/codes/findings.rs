//! Codes of findings: why the rate fell, shares were stale, or a device paused.

use super::Entry;

#[rustfmt::skip] // one block for each, whatever its length
pub(super) const FINDINGS: &[Entry] = &[
    Entry {
        code: "clock-jump",
        meaning: "The machine's clock was set, by more than clocks are trimmed. Mining does not depend on it; times in logs and charts do.",
        causes: &[
            "a machine without a clock battery that got the time from the network",
            "somebody set it",
            "the machine slept",
        ],
        remedies: &[
            "let it be kept: timedatectl set-ntp true",
        ],
    },
    Entry {
        code: "device-lost",
        meaning: "Workers of a device were gone for a while, and hashed nothing.",
        causes: &[
            "a driver or card that does not answer any more",
            "a clock too high",
            "power that fails",
        ],
        remedies: &[
            "it is opened again by itself, and rests after three losses",
            "lower its clock, and look at cables and power supply",
            "rminer devices",
        ],
    },
    Entry {
        code: "foreign-load",
        meaning: "Other programs used the processor, and the rate fell while they did.",
        causes: &[
            "what the finding names",
        ],
        remedies: &[
            "end it, or run it at another time",
            "leave it room: --threads N, or rminer ctl limit PERCENT",
        ],
    },
    Entry {
        code: "held-back",
        meaning: "A device was let hash for a part of its time only.",
        causes: &[
            "heat: it is held at its set point",
            "the power cap of the rig",
            "a limit that somebody gave",
        ],
        remedies: &[
            "for heat look after fans, dust and air",
            "rminer ctl limit 100 takes a limit back",
        ],
    },
    Entry {
        code: "history-stopped",
        meaning: "The history is not written to its file. It goes on in memory, and ends with the process.",
        causes: &[
            "the disk is full",
            "the folder may not be written",
            "another rminer writes it",
        ],
        remedies: &[
            "make room in the folder that is named; it is written again by itself",
        ],
    },
    Entry {
        code: "huge-pages-lost",
        meaning: "RandomX has less huge pages than it wants, and runs slower for it.",
        causes: &[
            "another program took them before rminer did",
            "vm.nr_hugepages was lowered, or not set after a restart of the machine",
        ],
        remedies: &[
            "sudo rminer setup hugepages --persist, then start rminer again",
        ],
    },
    Entry {
        code: "job-change",
        meaning: "Devices waited for new work to be ready, or had far more jobs than before.",
        causes: &[
            "a new seed of RandomX, about every three days: the dataset is filled again",
            "a pool that sends jobs very often",
        ],
        remedies: &[
            "nothing for a seed; another pool, if jobs are too many",
        ],
    },
    Entry {
        code: "memory-pressure",
        meaning: "Hardly any memory was left while the rate was low, so that the system was busy with finding some.",
        causes: &[
            "a program with more memory than the machine has",
        ],
        remedies: &[
            "end it, or give the machine more memory",
            "--randomx-mode light needs 256 MiB in place of 2.3 GiB",
        ],
    },
    Entry {
        code: "paused",
        meaning: "A device was not let hash at all.",
        causes: &[
            "heat, or a sensor that was lost",
            "the battery",
            "the hours of --schedule",
            "somebody asked for it",
        ],
        remedies: &[
            "the finding names the reason with its numbers",
            "rminer ctl resume takes back what somebody asked for",
        ],
    },
    Entry {
        code: "pool-latency",
        meaning: "A pool answered shares far later than it usually does.",
        causes: &[
            "the network: another program fills the line",
            "the pool is busy",
        ],
        remedies: &[
            "rminer pool test shows where the time goes",
            "a nearer pool loses fewer shares",
        ],
    },
    Entry {
        code: "rate-fell",
        meaning: "A device hashed less than it usually does, and nothing that was watched changed with it.",
        causes: &[
            "what cannot be seen from here: a clock or limit that no driver tells, other programs where the system hides them, another machine on the same host",
        ],
        remedies: &[
            "rminer doctor",
            "rminer devices -v shows what is known of the device",
        ],
    },
    Entry {
        code: "rejected",
        meaning: "A pool refused shares.",
        causes: &[
            "wrong results of a device",
            "an algorithm or a login that the pool does not take",
        ],
        remedies: &[
            "rminer explain share-rejected",
        ],
    },
    Entry {
        code: "stale",
        meaning: "Shares came too late: the pool had given a new job meanwhile. A few are in the nature of it.",
        causes: &[
            "a pool that is far away or slow",
            "a new job that was on its way",
            "a machine that is too busy to send",
        ],
        remedies: &[
            "choose a nearer pool: rminer pool test says what its distance costs",
            "look at foreign-load, if there is some",
        ],
    },
    Entry {
        code: "throttled",
        meaning: "The hardware slowed itself down, as it says itself or as its clock shows.",
        causes: &[
            "heat",
            "a power limit",
            "a power supply that is too weak",
        ],
        remedies: &[
            "look after fans, dust and air",
            "a lower limit of power or clock makes it steadier",
        ],
    },
];
