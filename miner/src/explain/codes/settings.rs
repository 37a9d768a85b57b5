//! Codes of faults in what was typed and configured.

use super::Entry;

#[rustfmt::skip] // one block for each, whatever its length
pub(super) const SETTINGS: &[Entry] = &[
    Entry {
        code: "bad-value",
        meaning: "A setting, an option or an order has a value that it cannot have.",
        causes: &[
            "a typing error, or a unit that is not known",
            "a number out of its range",
        ],
        remedies: &[
            "read the help below the message: it says what the value may be",
            "rminer help COMMAND shows every option with its values",
        ],
    },
    Entry {
        code: "config-file",
        meaning: "The config file cannot be read.",
        causes: &[
            "there is no file of this name, or this user may not read it",
            "it is far too long to be a configuration",
        ],
        remedies: &[
            "name it with --config FILE",
            "rminer config init prints a new one",
        ],
    },
    Entry {
        code: "config-key",
        meaning: "The config file has a key that rminer does not know.",
        causes: &[
            "a typing error",
            "the right key below the wrong heading",
            "a key of another miner",
        ],
        remedies: &[
            "take the name that the message suggests",
            "rminer config init lists every key with a comment",
        ],
    },
    Entry {
        code: "config-pool",
        meaning: "A [[pool]] of the config file has no address.",
        causes: &[
            "the line `url = ...` is missing or stands below another heading",
        ],
        remedies: &[
            "add url = \"stratum+tls://HOST:PORT\" below its [[pool]]",
        ],
    },
    Entry {
        code: "config-syntax",
        meaning: "The config file is no TOML.",
        causes: &[
            "a missing quote or bracket in or above the line that is shown",
            "the file is JSON, as xmrig has it",
        ],
        remedies: &[
            "correct the line",
            "for a JSON file of xmrig: rminer config migrate FILE",
        ],
    },
    Entry {
        code: "config-type",
        meaning: "A value of the config file is of the wrong kind, such as a number where text must stand.",
        causes: &[
            "missing quotes",
            "[pool] in place of [[pool]]",
        ],
        remedies: &[
            "write it as the message says",
        ],
    },
    Entry {
        code: "config-variable",
        meaning: "The config file names an environment variable that is not set.",
        causes: &[
            "the variable is not given to the service: a shell's own variables are not",
        ],
        remedies: &[
            "set it for the service (Environment= or EnvironmentFile= in its unit)",
            "write $${NAME} where the text itself is meant",
        ],
    },
    Entry {
        code: "config",
        meaning: "The configuration cannot be used as it is; what is wrong with it follows as facts.",
        causes: &[
            "the file was changed and has a fault",
            "a reload met a fault, and the miner goes on with what it had",
        ],
        remedies: &[
            "rminer config check",
            "after the correction: rminer ctl reload",
        ],
    },
    Entry {
        code: "duplicate-pool",
        meaning: "Two of the pools are the same server with the same user.",
        causes: &[
            "a line was copied and not changed",
        ],
        remedies: &[
            "remove one of the two; a fall-back must be another server",
        ],
    },
    Entry {
        code: "file-mode",
        meaning: "A file with a secret can be read by other users of this machine.",
        causes: &[
            "the usual umask of the system",
        ],
        remedies: &[
            "chmod 600 FILE",
        ],
    },
    Entry {
        code: "flag-ignored",
        meaning: "An option of another miner was given that does nothing here.",
        causes: &[
            "a command line made for xmrig or another miner",
        ],
        remedies: &[
            "leave it out; mining goes on without it",
        ],
    },
    Entry {
        code: "flag-refused",
        meaning: "An option of another miner was given that would change what rminer does, and that it does not have.",
        causes: &[
            "a command line made for another miner",
        ],
        remedies: &[
            "the help below the message names what to use in its place",
        ],
    },
    Entry {
        code: "given-twice",
        meaning: "An option of a pool was given twice for the same pool.",
        causes: &[
            "options behind several --pool in the wrong order",
        ],
        remedies: &[
            "options of a pool stand behind its own --pool; before the first one they are for all",
        ],
    },
    Entry {
        code: "misplaced-option",
        meaning: "An option of mining stands before the command.",
        causes: &[
            "rminer --algo X devices, in place of rminer devices --algo X",
        ],
        remedies: &[
            "write it behind the command; only --config, --verbose, --color and --json may stand before it",
        ],
    },
    Entry {
        code: "name-control",
        meaning: "A user or worker name has a control character.",
        causes: &[
            "text that was copied from a page or a terminal with an invisible character",
        ],
        remedies: &[
            "type it again by hand",
        ],
    },
    Entry {
        code: "name-length",
        meaning: "A user or worker name is longer than pools read.",
        causes: &[
            "several values were pasted into one",
        ],
        remedies: &[
            "shorten it",
        ],
    },
    Entry {
        code: "no-device",
        meaning: "No device can do the work that was asked for.",
        causes: &[
            "--devices names something that is not there",
            "a driver is missing, so that no GPU is usable",
            "there is not enough memory for RandomX",
        ],
        remedies: &[
            "rminer devices says of each device why it is left out",
            "mine on the processor: --devices cpu",
        ],
    },
    Entry {
        code: "no-pool",
        meaning: "There is nothing to mine for: no pool is configured, or none of those configured gives work.",
        causes: &[
            "at the start: no --pool and no config file",
            "while mining: the network or the pool is down, TLS is refused, or the login is",
        ],
        remedies: &[
            "rminer pool test says for each pool how far it gets",
            "name a second pool as a fall-back",
        ],
    },
    Entry {
        code: "no-such-code",
        meaning: "There is no code of this name.",
        causes: &[
            "a typing error, or a code of a newer rminer",
        ],
        remedies: &[
            "rminer explain --list",
        ],
    },
    Entry {
        code: "no-user",
        meaning: "A pool has no user, so nobody would be paid.",
        causes: &[
            "--user is missing, or stands behind another --pool",
        ],
        remedies: &[
            "add --user WALLET, or `user` in the file",
        ],
    },
    Entry {
        code: "output",
        meaning: "Standard output cannot be written.",
        causes: &[
            "the disk that it is redirected to is full",
        ],
        remedies: &[
            "make room, or write to another place",
        ],
    },
    Entry {
        code: "pass-conflict",
        meaning: "A password and a password file are both given for one pool.",
        causes: &[
            "one of them comes from the environment or the config file",
        ],
        remedies: &[
            "rminer config show --origin says where each comes from; remove one",
        ],
    },
    Entry {
        code: "pass-file",
        meaning: "The password file cannot be used.",
        causes: &[
            "it is not there, cannot be read, or is empty",
        ],
        remedies: &[
            "name a file whose first line is the password, with mode 600",
        ],
    },
    Entry {
        code: "password-is-pool",
        meaning: "The password looks like the address of a pool.",
        causes: &[
            "-p is the password here, and --pool or -o the pool",
        ],
        remedies: &[
            "give the pool as -o",
        ],
    },
    Entry {
        code: "password-is-wallet",
        meaning: "The password looks like a wallet.",
        causes: &[
            "-p and -u were confused",
        ],
        remedies: &[
            "give the wallet as -u",
        ],
    },
    Entry {
        code: "password-visible",
        meaning: "The password stands in the command line, where every user of this machine can read it.",
        causes: &[
            "--pass in a shell or a unit file",
        ],
        remedies: &[
            "keep it in RMINER_PASS, or in a file: --pass-file FILE or --config FILE",
        ],
    },
    Entry {
        code: "plain",
        meaning: "The connection to a pool is not encrypted, and its address leaves open whether that is meant.",
        causes: &[
            "the address was written without a scheme",
        ],
        remedies: &[
            "write stratum+tls:// if the pool offers TLS; stratum+tcp:// says that plain is meant",
        ],
    },
    Entry {
        code: "pool-conflict",
        meaning: "Settings of a pool contradict each other.",
        causes: &[
            "TLS settings for a pool that is not encrypted",
            "a pin together with trust on first use",
            "RandomX v2 by block version, with the C library as the engine, which has no v2",
        ],
        remedies: &[
            "follow the help below the message: it names the setting to leave out",
        ],
    },
    Entry {
        code: "pool-url",
        meaning: "The address of a pool cannot be read.",
        causes: &[
            "the port is missing",
            "a scheme that rminer does not know",
            "a web page's address in place of the stratum address",
        ],
        remedies: &[
            "write it as stratum+tls://HOST:PORT, as the pool's own help page names it",
        ],
    },
    Entry {
        code: "pool",
        meaning: "The list of pools cannot be used; in the findings of the doctor: how a pool answers.",
        causes: &[
            "settings of pools contradict each other",
        ],
        remedies: &[
            "rminer config check",
            "rminer config show --origin",
        ],
    },
    Entry {
        code: "proxy",
        meaning: "The address of the proxy cannot be read.",
        causes: &[
            "a scheme other than socks5",
        ],
        remedies: &[
            "write it as socks5://HOST:PORT",
        ],
    },
    Entry {
        code: "temp-conflict",
        meaning: "A limit of temperature and the temperature to go on at contradict each other.",
        causes: &[
            "the resume is not below the limit",
        ],
        remedies: &[
            "let the resume be some degrees below the limit",
        ],
    },
    Entry {
        code: "temp-limit-off",
        meaning: "A limit of temperature is turned off: nothing keeps that device from getting too hot.",
        causes: &[
            "temp-limit = off",
        ],
        remedies: &[
            "leave it out, unless something else watches the device",
        ],
    },
    Entry {
        code: "thread-conflict",
        meaning: "--threads and --affinity contradict each other.",
        causes: &[
            "both list processors",
            "more threads than processors are listed",
        ],
        remedies: &[
            "list the processors in one of them, and give --threads a number",
        ],
    },
    Entry {
        code: "too-many-pools",
        meaning: "There are more pools than rminer takes.",
        causes: &[
            "a whole list of servers was pasted",
        ],
        remedies: &[
            "keep those that you would really fall back to",
        ],
    },
    Entry {
        code: "two-algorithms",
        meaning: "Two algorithms are named.",
        causes: &[
            "one on the command line and another one as an option of another miner",
        ],
        remedies: &[
            "name one: rminer mines one at a time",
        ],
    },
    Entry {
        code: "unknown-algorithm",
        meaning: "There is no algorithm of this name.",
        causes: &[
            "a typing error",
            "an algorithm that rminer does not have",
        ],
        remedies: &[
            "rminer algos lists all with their other names and their coins",
        ],
    },
    Entry {
        code: "user-is-pool",
        meaning: "The user is the address of a pool.",
        causes: &[
            "-u and -o were confused",
        ],
        remedies: &[
            "give the pool as -o and the wallet as -u",
        ],
    },
    Entry {
        code: "user-suffix",
        meaning: "Something stands behind the wallet that the pool will read in its own way.",
        causes: &[
            "a worker name or a difficulty, as many pools want it",
        ],
        remedies: &[
            "right if your pool says so; else remove it",
        ],
    },
    Entry {
        code: "user-unchecked",
        meaning: "The user is not an address of this coin, so rminer cannot check it.",
        causes: &[
            "an account name of the pool",
            "a wallet of another coin, at a pool that pays in it",
        ],
        remedies: &[
            "right for those; else copy the wallet again",
            "--user-is-account says that it is an account, and no more is said",
        ],
    },
    Entry {
        code: "visible-secret",
        meaning: "The token of the interface stands in the command line, where every user of this machine can read it.",
        causes: &[
            "an option of xmrig that carries its token",
        ],
        remedies: &[
            "write it to a file for --api-token-file, or set RMINER_API_TOKEN",
        ],
    },
    Entry {
        code: "wallet-checksum",
        meaning: "The user has the shape of an address of this coin, and its checksum is wrong: whatever were mined would be lost.",
        causes: &[
            "a letter was mistyped, left out or cut off when it was copied",
        ],
        remedies: &[
            "copy the whole address again from the wallet",
            "if the pool wants an account name that only looks like it: --user-is-account",
        ],
    },
    Entry {
        code: "wallet-coin",
        meaning: "The user is an address of another coin than the one that is mined.",
        causes: &[
            "the algorithm or the wallet is that of another rig",
        ],
        remedies: &[
            "choose the algorithm of the coin, or give an address of this coin",
        ],
    },
    Entry {
        code: "wallet-needed",
        meaning: "Solo mining pays to an address, and the user is none.",
        causes: &[
            "an account name of a pool was left in the settings",
        ],
        remedies: &[
            "give an address of your own wallet as --user",
        ],
    },
    Entry {
        code: "wallet-network",
        meaning: "The user is an address of a test network, or lacks the name of its network.",
        causes: &[
            "the wallet runs with a test network",
        ],
        remedies: &[
            "give an address of the main network",
            "for a pool of the test network: --user-is-account",
        ],
    },
    Entry {
        code: "wallet-subaddress",
        meaning: "A node cannot pay a block to a subaddress.",
        causes: &[
            "the wallet shows a subaddress (it begins with 8) as its own",
        ],
        remedies: &[
            "use the primary address of the wallet, which begins with 4",
        ],
    },
    Entry {
        code: "wallet-suffix",
        meaning: "Something stands behind the wallet, and a node pays to the bare address only.",
        causes: &[
            "a worker name or a difficulty for a pool was left in the settings",
        ],
        remedies: &[
            "remove it",
        ],
    },
    Entry {
        code: "worker-is-wallet",
        meaning: "The name of the worker looks like a wallet.",
        causes: &[
            "-w and -u were confused",
        ],
        remedies: &[
            "give the wallet as -u, and the name of the rig as -w",
        ],
    },
];
