//! Codes of the service, of alerts, and of the manual.

use super::Entry;

#[rustfmt::skip] // one block for each, whatever its length
pub(super) const SERVICE: &[Entry] = &[
    Entry {
        code: "alert",
        meaning: "An alert did not arrive, or nobody is to be told.",
        causes: &[
            "the command of --alert-command is not there, fails, or takes longer than 10 s",
            "the web address of --alert-webhook has another path by now, or cannot be reached",
        ],
        remedies: &[
            "rminer alert test tries it out and says what failed",
            "call the command by its full path: it has no environment but PATH, HOME and LANG",
        ],
    },
    Entry {
        code: "man",
        meaning: "The manual cannot be written.",
        causes: &[
            "the folder of --dir may not be written, or the disk is full",
        ],
        remedies: &[
            "name a folder that you may write to",
        ],
    },
    Entry {
        code: "no-systemd",
        meaning: "systemd does not run this machine, so it has no services of the kind that rminer installs.",
        causes: &[
            "a container, or a system with another service manager",
        ],
        remedies: &[
            "start `rminer mine --config FILE` by your own manager: SIGHUP reads the file again, SIGTERM ends it",
            "rminer service install --dry-run prints the unit",
        ],
    },
    Entry {
        code: "service",
        meaning: "systemd did not do what it was told, or the unit cannot be written.",
        causes: &[
            "the service ended at once, and says why in the journal",
            "the file system is read-only",
        ],
        remedies: &[
            "journalctl -u rminer",
            "rminer config check /etc/rminer/config.toml",
        ],
    },
    Entry {
        code: "service-config",
        meaning: "The service has no configuration that it can read, or one that others may change.",
        causes: &[
            "there is no /etc/rminer/config.toml yet",
            "its mode keeps the service's user out, or lets everybody write",
            "it is in a home folder, which the service's sandbox hides",
        ],
        remedies: &[
            "rminer config init --algo ALGO --pool HOST:PORT --user WALLET | sudo install -D -m 644 /dev/stdin /etc/rminer/config.toml",
            "sudo chmod 644 /etc/rminer/config.toml",
        ],
    },
    Entry {
        code: "service-manager",
        meaning: "The service manager that started rminer cannot be told that it runs.",
        causes: &[
            "NOTIFY_SOCKET names something that is no socket",
        ],
        remedies: &[
            "start it by its unit: sudo systemctl start rminer",
        ],
    },
    Entry {
        code: "service-program",
        meaning: "The service cannot start this program, or others may change it.",
        causes: &[
            "it is in a home folder or in /tmp, which the service's sandbox hides",
            "its mode lets nobody else run it, or lets others write it",
        ],
        remedies: &[
            "sudo install -m 755 target/release/rminer /usr/local/bin/rminer, then sudo /usr/local/bin/rminer service install",
        ],
    },
    Entry {
        code: "service-user",
        meaning: "The user that the service is to run as does not exist.",
        causes: &[
            "the name of --user is misspelt",
        ],
        remedies: &[
            "leave --user out: the service then has a user of its own while it runs",
            "sudo useradd --system --shell /usr/sbin/nologin NAME",
        ],
    },
];
