//! Codes of what happens while it runs.

use super::Entry;

#[rustfmt::skip] // one block for each, whatever its length
pub(super) const RUNNING: &[Entry] = &[
    Entry {
        code: "bench-checksum",
        meaning: "The sum of a benchmark's hashes is not the one that is published: some hashes are wrong.",
        causes: &[
            "memory or processor are clocked too high",
            "faulty memory",
        ],
        remedies: &[
            "lower the clocks to what the vendor says, and try it again",
            "test the memory for some hours",
        ],
    },
    Entry {
        code: "bench-save",
        meaning: "The result of a benchmark cannot be saved.",
        causes: &[
            "neither HOME nor XDG_STATE_HOME is set",
            "the disk is full or may not be written",
        ],
        remedies: &[
            "set XDG_STATE_HOME to a folder that may be written",
        ],
    },
    Entry {
        code: "bench",
        meaning: "The benchmark did not run.",
        causes: &[
            "the system gave no thread, or no port for the pool in the process",
        ],
        remedies: &[
            "end other programs, and try it again",
        ],
    },
    Entry {
        code: "cannot-pay",
        meaning: "What is mined cannot be paid out on this kind of device or network.",
        causes: &[
            "the algorithm is there for tests and comparisons",
        ],
        remedies: &[
            "rminer algos says which coins there are",
        ],
    },
    Entry {
        code: "check",
        meaning: "A hit was wrong, or was not checked.",
        causes: &[
            "a clock too high or a voltage too low: the device computes wrong results",
            "the pool's own mistake: then an engine of another kind confirms the hash",
            "no memory for the second engine",
        ],
        remedies: &[
            "read whose fault it is in the text: the device's, the memory's, or the pool's",
            "lower the clock of the device and of its memory",
        ],
    },
    Entry {
        code: "cpu",
        meaning: "The processor cannot be used as it was asked to.",
        causes: &[
            "--threads or --affinity names processors that are not there",
        ],
        remedies: &[
            "rminer devices",
        ],
    },
    Entry {
        code: "demo",
        meaning: "The pool of the demonstration cannot start.",
        causes: &[
            "the port is in use",
        ],
        remedies: &[
            "choose another one: --serve ADDRESS:PORT",
        ],
    },
    Entry {
        code: "device-hung",
        meaning: "Devices hang, and only a new process gets them back.",
        causes: &[
            "a driver or card that does not answer any more",
            "a clock too high",
        ],
        remedies: &[
            "start rminer again, as a service does by itself",
            "lower the clock or update the driver if it happens again",
        ],
    },
    Entry {
        code: "device",
        meaning: "A worker of a device failed.",
        causes: &[
            "a driver that was updated or crashed",
            "a clock too high",
            "no memory",
        ],
        remedies: &[
            "it is started again by itself, and rests for an hour after three failures",
            "rminer devices says what the device is now",
            "lower its clock, or update its driver",
        ],
    },
    Entry {
        code: "giant-pages",
        meaning: "Pages of 1 GiB were asked for, and there are not enough of them. Pages of 2 MiB do nearly as well.",
        causes: &[
            "none were set aside at boot",
            "memory is too scattered to set them aside now",
        ],
        remedies: &[
            "boot with hugepagesz=1G hugepages=3",
            "or leave the option out",
        ],
    },
    Entry {
        code: "history-file",
        meaning: "The history is not written to its file. It goes on in memory, and ends with the process.",
        causes: &[
            "the disk is full",
            "the folder may not be written",
            "another rminer writes it",
        ],
        remedies: &[
            "make room in the folder that the message names",
            "rminer explain tells since when",
        ],
    },
    Entry {
        code: "huge-pages",
        meaning: "RandomX has less huge pages than it wants, and runs up to a third slower.",
        causes: &[
            "none are set aside: vm.nr_hugepages = 0",
            "others use them, or a miner that ended badly still does",
            "memory is too scattered since the boot",
        ],
        remedies: &[
            "sudo rminer setup hugepages --persist",
            "restart the machine if the kernel cannot find enough of them",
            "--huge-pages off silences it",
        ],
    },
    Entry {
        code: "kernel",
        meaning: "A kernel for this processor fails its self-test and is not used; the next best one is.",
        causes: &[
            "a processor that is clocked too high",
            "a fault of rminer",
        ],
        remedies: &[
            "lower the clock; if it stays, please report it with rminer devices -v",
        ],
    },
    Entry {
        code: "light-mode",
        meaning: "There is not enough memory for the RandomX dataset, so that it runs in light mode, many times slower.",
        causes: &[
            "less than 2.3 GiB of free memory",
            "a limit of the container or the unit",
        ],
        remedies: &[
            "end other programs, add memory, or raise the limit",
        ],
    },
    Entry {
        code: "log-file",
        meaning: "The log file cannot be opened.",
        causes: &[
            "its folder is not there, or may not be written",
        ],
        remedies: &[
            "name a file in a folder that you may write to",
            "or leave it out: journald keeps what a service says",
        ],
    },
    Entry {
        code: "login-refused",
        meaning: "A pool refused the login.",
        causes: &[
            "a wallet that the pool does not know the coin of",
            "a name that must be registered at the pool first",
            "the wrong port for this coin",
        ],
        remedies: &[
            "read the pool's own words beside the message",
            "rminer pool test",
            "check --user and --algo against the pool's help page",
        ],
    },
    Entry {
        code: "migrate",
        meaning: "A part of xmrig's config file has no counterpart in rminer, or the file cannot be read.",
        causes: &[
            "settings that only xmrig has",
        ],
        remedies: &[
            "read what was left out; the rest was translated",
        ],
    },
    Entry {
        code: "miscompute",
        meaning: "A device found a hash that is wrong. It was not sent.",
        causes: &[
            "a clock too high, or a voltage too low",
            "a device that is too hot",
            "faulty memory",
        ],
        remedies: &[
            "lower the clocks of its core and memory",
            "look at its temperature: rminer status",
        ],
    },
    Entry {
        code: "needs-restart",
        meaning: "The configuration was read again, and has changes that only a new start applies.",
        causes: &[
            "pools, algorithm or devices were changed",
        ],
        remedies: &[
            "start rminer again when it suits; limits and reports hold already",
        ],
    },
    Entry {
        code: "no-gpu",
        meaning: "No GPU can do this work here, so the processor does.",
        causes: &[
            "no Vulkan loader or driver",
            "the algorithm runs on processors only",
        ],
        remedies: &[
            "rminer devices says of each card why",
            "--devices cpu says that it is meant",
        ],
    },
    Entry {
        code: "no-sensor",
        meaning: "No temperature of a device is known, so that no limit can be kept.",
        causes: &[
            "a virtual machine, which has none",
            "the driver of the sensor is not loaded",
        ],
        remedies: &[
            "load coretemp (Intel), k10temp (AMD), or the driver of the card",
            "rminer devices -v lists what was found",
        ],
    },
    Entry {
        code: "numa",
        meaning: "One RandomX dataset serves all memory nodes, since there is not memory for one each. That is slower.",
        causes: &[
            "other programs use the memory of a node",
        ],
        remedies: &[
            "end them, or add memory",
        ],
    },
    Entry {
        code: "pin",
        meaning: "A thread could not be bound to its processor, which may cost speed.",
        causes: &[
            "a container or a service that may use other processors only",
        ],
        remedies: &[
            "allow them (CPUAffinity=, cpuset), or name those that are allowed: --affinity",
        ],
    },
    Entry {
        code: "pool-down",
        meaning: "The connection with a pool ended or was not had. It is tried again by itself.",
        causes: &[
            "the network or the pool",
            "a certificate that cannot be verified, or is not the pinned one",
            "the pool closes connections that it does not like",
        ],
        remedies: &[
            "read the cause in the message",
            "rminer pool test goes there step by step",
            "after a change of the pool's certificate: take the new pin only if the pool itself announces it",
        ],
    },
    Entry {
        code: "pool-time",
        meaning: "The time of the pool's jobs and this machine's clock are far apart.",
        causes: &[
            "this machine's clock is wrong",
            "the pool's is",
        ],
        remedies: &[
            "timedatectl, or the machine's BIOS battery; if this clock is right, choose another pool",
        ],
    },
    Entry {
        code: "pool-unreachable",
        meaning: "No pool gave work in as many rounds as --retries allows.",
        causes: &[
            "the network is down",
            "all pools are",
            "a firewall lets nothing out on their ports",
        ],
        remedies: &[
            "rminer pool test",
            "leave --retries out to try for ever",
        ],
    },
    Entry {
        code: "power-unknown",
        meaning: "The power of some device is not known, so that the power cap does not count it.",
        causes: &[
            "no driver or no right to read its sensor",
        ],
        remedies: &[
            "rminer devices -v; a meter at the plug sees all of it",
        ],
    },
    Entry {
        code: "rare-shares",
        meaning: "At this rate a share will be found very seldom, so that nothing is seen for long.",
        causes: &[
            "the pool asks for shares that are too hard for this device",
            "solo mining",
        ],
        remedies: &[
            "lower what the pool asks for (--suggest-difficulty, or its words for --pass)",
            "choose a pool for small miners",
        ],
    },
    Entry {
        code: "safety-stop",
        meaning: "rminer ended since a device stayed too hot although it was paused.",
        causes: &[
            "a fan that stands still, dust, no air",
            "a sensor that is wrong",
        ],
        remedies: &[
            "look after the device before you start again",
        ],
    },
    Entry {
        code: "sensor-silent",
        meaning: "A sensor has said nothing for 10 s. A device that cannot be watched is paused.",
        causes: &[
            "a driver that hangs, or a card that is lost",
        ],
        remedies: &[
            "rminer devices -v; restart the machine if it does not come back",
        ],
    },
    Entry {
        code: "share-rejected",
        meaning: "A pool refused a share.",
        causes: &[
            "stale: a new job came before it",
            "low difficulty or bad hash: the device computes wrong results, or the algorithm is another one than the pool's",
            "duplicate: it was sent before",
            "unauthorized: the login is not good any more",
        ],
        remedies: &[
            "some stale ones are in the nature of it: rminer explain says why each was",
            "for bad hashes lower the device's clock",
            "for others read the pool's own words",
        ],
    },
    Entry {
        code: "signals",
        meaning: "Ctrl-C ends the program at once instead of after the row that runs.",
        causes: &[
            "the system gave no handler",
        ],
        remedies: &[
            "nothing",
        ],
    },
    Entry {
        code: "stopped",
        meaning: "It was stopped before there was a result.",
        causes: &[
            "Ctrl-C",
        ],
        remedies: &[
            "run it again and let it end",
        ],
    },
    Entry {
        code: "system",
        meaning: "The system refused something that rminer cannot do without, such as a thread.",
        causes: &[
            "too many threads or open files: a limit of the service or the user",
        ],
        remedies: &[
            "ulimit -u, ulimit -n; TasksMax= and LimitNOFILE= in a unit",
        ],
    },
    Entry {
        code: "too-hot",
        meaning: "A device is far above its limit although it is paused. rminer ends when it stays like this for two minutes.",
        causes: &[
            "a fan that stands still, dust, no air",
            "something else heats it",
        ],
        remedies: &[
            "look after it now",
        ],
    },
    Entry {
        code: "watchdog-test",
        meaning: "A worker hangs on purpose, so that you can see what the watchdog does.",
        causes: &[
            "--watchdog-test",
        ],
        remedies: &[
            "leave it out to mine",
        ],
    },
];
