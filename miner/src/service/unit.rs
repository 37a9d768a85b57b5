//! The text of the unit that starts rminer as a service.

use std::path::{Path, PathBuf};

/// Name of the unit.
pub const NAME: &str = "rminer.service";
/// Where units of this machine's owner are.
pub const FOLDER: &str = "/etc/systemd/system";
/// Where the configuration of the service is.
pub const CONFIG: &str = "/etc/rminer/config.toml";
/// Where a token for the interface may be put before the first start.
pub const TOKEN: &str = "/etc/rminer/api-token";
/// What the service keeps, as root sees it.
pub const STATE: &str = "/var/lib/rminer";
/// The program of a package.
pub const PROGRAM: &str = "/usr/bin/rminer";

/// What of the unit can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The program.
    pub program: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// The user that it runs as; `None` for one that exists only while it runs.
    pub user: Option<String>,
    /// Groups that may open graphics cards, as far as this machine has them.
    pub groups: Vec<String>,
}

/// Groups that may open graphics cards.
pub const GROUPS: [&str; 2] = ["render", "video"];

impl Default for Unit {
    /// The unit of a package.
    fn default() -> Self {
        Self {
            program: PROGRAM.into(),
            config: CONFIG.into(),
            user: None,
            groups: GROUPS.map(str::to_owned).to_vec(),
        }
    }
}

impl Unit {
    /// The whole file.
    pub fn text(&self) -> String {
        let user = match &self.user {
            None => "DynamicUser=yes".to_owned(),
            Some(user) => format!("User={user}"),
        };
        let groups = match self.groups.as_slice() {
            [] => String::new(),
            groups => format!("SupplementaryGroups={}\n", groups.join(" ")),
        };
        let (program, config) = (quoted(&self.program), quoted(&self.config));
        format!("{HEAD}ExecStart={program} mine --config {config} --ui lines\n{RUN}{user}\n{groups}{SANDBOX}")
    }
}

/// A path as one word of a command in a unit.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@%$".contains(letter);
    if text.chars().all(is_plain) { escaped } else { format!("\"{escaped}\"") }
}

const HEAD: &str = "\
# Written by `rminer service install`. `rminer service uninstall` takes it away again.
# Changes belong into a drop-in of your own: systemctl edit rminer
[Unit]
Description=rminer, a miner without fee
Documentation=man:rminer(1)
Wants=network-online.target
After=network-online.target rminer-setup.service
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=notify
";

const RUN: &str = "\
# Not /bin/kill, which small systems lack.
ExecReload=/bin/sh -c 'kill -HUP $$MAINPID'
Restart=on-failure
RestartSec=5
# Bad settings, no usable device, login refused everywhere, a stop for safety: these need a person.
RestartPreventExitStatus=2 3 5 6
# The engine's own loop gives the sign of life.
WatchdogSec=60
# A core file would have the pool's password in it, and two gigabytes of dataset.
WatchdogSignal=SIGKILL
LimitCORE=0
TimeoutStopSec=15

# Who it is, and what it may keep: /var/lib/rminer and /var/cache/rminer.
";

const SANDBOX: &str = "\
StateDirectory=rminer
StateDirectoryMode=0700
CacheDirectory=rminer
CacheDirectoryMode=0700
ConfigurationDirectory=rminer
# Drivers of graphics cards keep compiled programs there.
Environment=HOME=%S/rminer XDG_CACHE_HOME=%C/rminer
# The interface's token, if you have written one there; else an empty line, and rminer makes one in /var/lib/rminer.
LoadCredential=api-token:/etc/rminer/api-token
SetCredential=api-token:\\n

# Mining threads lower their own priority. The thread that talks to the pool must not wait, so the unit sets none.
LimitMEMLOCK=infinity
OOMScoreAdjust=500

# The sandbox. No MemoryDenyWriteExecute: RandomX compiles programs. No PrivateDevices: it would hide graphics cards.
# No ProtectProc: `rminer explain` names the programs that take the processor.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateUsers=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
UMask=0077
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=sched_setaffinity sched_setscheduler sched_setattr set_mempolicy mbind move_pages setpriority
SystemCallErrorNumber=EPERM
DevicePolicy=closed
DeviceAllow=char-drm rw
DeviceAllow=char-nvidia* rw

[Install]
WantedBy=multi-user.target
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn the_unit_of_the_package_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd/rminer.service");
        if std::env::var_os("RMINER_WRITE_UNIT").is_some() {
            std::fs::write(path, Unit::default().text()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), Unit::default().text());
    }

    #[test]
    fn what_needs_a_person_is_not_started_again() {
        let text = Unit::default().text();
        let line = text.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
        let prevented: Vec<u8> = line.split(' ').map(|code| code.parse().unwrap()).collect();
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NoDevice,
            Exit::NoPool,
            Exit::LoginRefused,
            Exit::SafetyStop,
            Exit::DeviceHung,
        ];
        for exit in all {
            // An end as asked is no failure, so it needs no mention.
            let starts_again =
                !matches!(exit, Exit::Usage | Exit::NoDevice | Exit::LoginRefused | Exit::SafetyStop);
            assert_eq!(!prevented.contains(&exit.code()), starts_again, "{exit:?}");
        }
        assert_eq!(prevented.len(), 4);
    }

    #[test]
    fn program_file_and_user_are_in_it() {
        let unit = Unit {
            program: "/opt/my miner/rminer".into(),
            config: "/etc/rminer/100%.toml".into(),
            user: Some("miner".into()),
            groups: Vec::new(),
        };
        let text = unit.text();
        assert!(text.contains(
            "ExecStart=\"/opt/my miner/rminer\" mine --config /etc/rminer/100%%.toml --ui lines\n"
        ));
        assert!(text.contains("\nUser=miner\n") && !text.contains("DynamicUser"), "{text}");
        assert!(!text.contains("SupplementaryGroups"), "{text}");
        assert!(Unit::default().text().contains("\nDynamicUser=yes\n"));
        assert_eq!(quoted(Path::new("/a\"b\\c$d")), "\"/a\\\"b\\\\c$$d\"");
    }

    #[test]
    fn its_command_is_one_that_the_program_takes() {
        let text = Unit::default().text();
        let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        assert!(crate::cli::command().try_get_matches_from(words).is_ok(), "{command}");
    }
}
