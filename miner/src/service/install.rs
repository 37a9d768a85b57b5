//! Puts the unit in place, and takes it away again. What has to be done is decided first, and said; then it is done.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::unit::{self, Unit};
use crate::problem::Problem;

/// Longest text of a unit that is read; ours has two kilobytes.
const MAX_UNIT_BYTES: u64 = 64 * 1024;
/// Folders that the unit's sandbox hides from the service.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// The machine as the commands of services see it: everything below `root`.
#[derive(Debug, Clone)]
pub struct Machine {
    /// `/`, or a folder that stands for it.
    pub root: PathBuf,
    /// Whether this process may write there as the owner of the machine.
    pub is_owner: bool,
}

/// What is wished for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The program that the service starts, by its full path.
    pub program: PathBuf,
    /// The configuration, by its full path.
    pub config: PathBuf,
    /// The user that it runs as; `None` for one that exists only while it runs.
    pub user: Option<String>,
    /// Whether it is started at once.
    pub start: bool,
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The file to write with its text, or to remove with none; nothing when it is as it should be.
    pub file: Option<(PathBuf, Option<String>)>,
    /// Commands of `systemctl` after it.
    pub commands: Vec<Vec<&'static str>>,
    /// What there is to say about it.
    pub notes: Vec<String>,
}

impl Machine {
    /// This machine.
    #[allow(unsafe_code)]
    pub fn here() -> Self {
        // SAFETY: the call has no argument and cannot fail.
        let is_owner = unsafe { libc::geteuid() } == 0;
        Self { root: "/".into(), is_owner }
    }

    /// A path of the machine.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn unit(&self) -> PathBuf {
        self.at(unit::FOLDER).join(unit::NAME)
    }

    /// Whether systemd runs this machine.
    pub fn has_systemd(&self) -> bool {
        self.at("/run/systemd/system").is_dir()
    }

    /// The unit that is in place, if one is and it can be read.
    pub fn installed(&self) -> Option<String> {
        let path = self.unit();
        let size = fs::metadata(&path).ok()?.len();
        (size <= MAX_UNIT_BYTES).then(|| fs::read_to_string(&path).ok()).flatten()
    }

    /// The unit for a wish, as this machine can have it.
    pub fn wanted(&self, wish: &Wish) -> Unit {
        let groups = fs::read_to_string(self.at("/etc/group")).unwrap_or_default();
        let exists = |name: &&str| groups.lines().any(|line| line.split(':').next() == Some(*name));
        Unit {
            program: wish.program.clone(),
            config: wish.config.clone(),
            user: wish.user.clone(),
            groups: unit::GROUPS.iter().filter(|name| exists(name)).map(|name| (*name).to_owned()).collect(),
        }
    }

    /// What keeps the service from being installed or from running, all of it.
    pub fn problems(&self, wish: &Wish) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.has_systemd() {
            problems.push(no_systemd());
        } else if !self.is_owner {
            problems.push(not_owner("install"));
        }
        problems.extend(wish.user.as_deref().and_then(|user| self.user(user)));
        problems.extend(self.program(&wish.program));
        problems.extend(self.config(wish));
        problems
    }

    fn user(&self, user: &str) -> Option<Problem> {
        let users = fs::read_to_string(self.at("/etc/passwd")).unwrap_or_default();
        if users.lines().any(|line| line.split(':').next() == Some(user)) {
            return None;
        }
        let problem = Problem::error("service-user", format!("there is no user {user}"));
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        let help = if !user.is_empty() && user.chars().all(is_name) {
            format!("sudo useradd --system --shell /usr/sbin/nologin {user}, or leave --user out")
        } else {
            "leave --user out: the service then has a user of its own while it runs".into()
        };
        Some(problem.help(help))
    }

    /// The service must be able to start the program, and not everybody may change it.
    fn program(&self, program: &Path) -> Option<Problem> {
        let fault = |why: String| {
            let summary = format!("the service cannot start {}: {why}", program.display());
            let name = program.display();
            Problem::error("service-program", summary).help(format!(
                "sudo install -m 755 '{name}' /usr/local/bin/rminer, then: sudo /usr/local/bin/rminer service install"
            ))
        };
        if let Some(folder) = hidden(program) {
            return Some(fault(format!("its sandbox hides {folder}")));
        }
        match fs::metadata(self.at(program)) {
            Err(error) => Some(fault(error.to_string())),
            Ok(file) if file.mode() & 0o001 == 0 => Some(fault("other users may not run it".into())),
            Ok(file) if file.mode() & 0o022 != 0 => {
                Some(fault("other users may change it, and would run what they like".into()))
            }
            Ok(_) => None,
        }
    }

    /// It is only looked at: writing it is the owner's own step.
    fn config(&self, wish: &Wish) -> Option<Problem> {
        let path = &wish.config;
        let shown = path.display();
        if let Some(folder) = hidden(path) {
            let summary = format!("the service cannot read {shown}: its sandbox hides {folder}");
            return Some(
                Problem::error("service-config", summary).help(format!("put it at {}", unit::CONFIG)),
            );
        }
        let file = match fs::metadata(self.at(path)) {
            Ok(file) => file,
            Err(error) => {
                let summary = format!("the service has no configuration: {shown}: {error}");
                return Some(Problem::error("service-config", summary).help(format!(
                    "rminer config init --algo ALGO --pool HOST:PORT --user WALLET | sudo install -D -m 644 /dev/stdin {shown}"
                )));
            }
        };
        if wish.user.is_none() && file.mode() & 0o004 == 0 {
            let summary = format!("the service's user may not read {shown}");
            return Some(Problem::error("service-config", summary).help(format!(
                "sudo chmod 644 {shown}, or give the file to a user of its own and name it with --user"
            )));
        }
        if file.mode() & 0o002 != 0 {
            let summary = format!("everybody may change {shown}, and with it who is paid");
            return Some(Problem::error("service-config", summary).help(format!("sudo chmod 644 {shown}")));
        }
        None
    }

    /// What installing does.
    pub fn plan_install(&self, wish: &Wish) -> Plan {
        let text = self.wanted(wish).text();
        let installed = self.installed();
        let mut notes = Vec::new();
        if installed.as_ref().is_some_and(|installed| *installed != text) {
            notes.push(
                "the unit that is there is replaced; drop-ins of `systemctl edit rminer` stay".to_owned(),
            );
        }
        if !self.at(unit::TOKEN).exists() {
            notes.push(format!(
                "orders need the token in {}/api-token, which rminer makes: sudo rminer ctl pause",
                unit::STATE
            ));
        }
        let file = (installed.as_ref() != Some(&text))
            .then(|| (Path::new(unit::FOLDER).join(unit::NAME), Some(text)));
        let mut commands = vec![vec!["daemon-reload"]];
        commands.push(vec!["enable", unit::NAME]);
        if wish.start {
            // Another unit or another program only counts for a new process.
            commands.push(vec!["restart", unit::NAME]);
        }
        Plan { file, commands, notes }
    }

    /// What uninstalling does.
    pub fn plan_uninstall(&self) -> Plan {
        let is_there = self.unit().exists();
        let kept = [unit::CONFIG, unit::STATE].into_iter().filter(|path| self.at(path).exists());
        let notes = kept.map(|path| format!("{path} stays; it is yours to remove")).collect();
        Plan {
            file: is_there.then(|| (Path::new(unit::FOLDER).join(unit::NAME), None)),
            commands: if is_there { vec![vec!["daemon-reload"]] } else { Vec::new() },
            notes,
        }
    }

    /// Writes or removes the file of a plan. A reader never sees half of it.
    ///
    /// # Errors
    /// What the system says.
    pub fn change(&self, plan: &Plan) -> io::Result<()> {
        let Some((path, text)) = &plan.file else { return Ok(()) };
        let path = self.at(path);
        let Some(text) = text else { return fs::remove_file(path) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let draft = path.with_extension("service.draft");
        fs::write(&draft, text)?;
        fs::set_permissions(&draft, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        fs::rename(&draft, &path)
    }
}

fn hidden(path: &Path) -> Option<&'static str> {
    HIDDEN.into_iter().find(|folder| path.starts_with(folder))
}

/// There is no systemd to be told.
pub fn no_systemd() -> Problem {
    Problem::error("no-systemd", "systemd does not run this machine")
        .fact("There is no /run/systemd/system: a container, or a system with another service manager.")
        .help("start `rminer mine --config FILE` by your own manager; SIGHUP reads the file again, SIGTERM ends it")
        .help("rminer service install --dry-run prints the unit")
}

/// Only the machine's owner may.
pub fn not_owner(what: &str) -> Problem {
    Problem::error("needs-root", format!("service {what} changes the machine, which needs root"))
        .help(format!("sudo rminer service {what}"))
        .help(format!("rminer service {what} --dry-run shows what it would do"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A machine below a folder, with a program and a configuration.
    fn machine() -> (tempfile::TempDir, Machine, Wish) {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine { root: folder.path().to_owned(), is_owner: true };
        for (path, mode) in [("/usr/local/bin/rminer", 0o755), (unit::CONFIG, 0o644)] {
            put(&machine, path, "x", mode);
        }
        put(&machine, "/etc/group", "root:x:0:\nvideo:x:44:\nrendering:x:45:\n", 0o644);
        put(&machine, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nminer:x:900:900::/:/bin/false\n", 0o644);
        fs::create_dir_all(machine.at("/run/systemd/system")).unwrap();
        let wish = Wish {
            program: "/usr/local/bin/rminer".into(),
            config: unit::CONFIG.into(),
            user: None,
            start: true,
        };
        (folder, machine, wish)
    }

    fn put(machine: &Machine, path: &str, text: &str, mode: u32) {
        let path = machine.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn codes(problems: &[Problem]) -> Vec<&'static str> {
        problems.iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn installing_writes_the_unit_once_and_uninstalling_removes_it() {
        let (_folder, machine, wish) = machine();
        assert_eq!(machine.problems(&wish), []);
        let plan = machine.plan_install(&wish);
        assert_eq!(
            plan.commands,
            [vec!["daemon-reload"], vec!["enable", unit::NAME], vec!["restart", unit::NAME]]
        );
        machine.change(&plan).unwrap();
        let text = machine.installed().unwrap();
        assert!(text.contains("ExecStart=/usr/local/bin/rminer mine"), "{text}");
        // Of the two groups this machine has one.
        assert!(text.contains("\nSupplementaryGroups=video\n"), "{text}");
        let unit = machine.at("/etc/systemd/system/rminer.service");
        assert_eq!(fs::metadata(&unit).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(unit.parent().unwrap()).unwrap().count(), 1, "no draft is left");

        let again = machine.plan_install(&Wish { start: false, ..wish.clone() });
        assert_eq!((again.file, again.commands.len()), (None, 2));
        let other = machine.plan_install(&Wish { user: Some("miner".into()), ..wish });
        assert!(other.file.is_some() && other.notes[0].contains("replaced"), "{:?}", other.notes);

        let removal = machine.plan_uninstall();
        assert!(removal.notes.iter().any(|note| note.contains(unit::CONFIG)), "{:?}", removal.notes);
        machine.change(&removal).unwrap();
        assert!(!unit.exists() && machine.at(unit::CONFIG).exists());
        assert_eq!(machine.plan_uninstall().file, None);
    }

    #[test]
    fn all_that_is_in_the_way_is_named_with_what_to_do() {
        let (_folder, machine, wish) = machine();
        let nobody = Machine { is_owner: false, ..machine.clone() };
        assert_eq!(codes(&nobody.problems(&wish)), ["needs-root"]);
        fs::remove_dir(machine.at("/run/systemd/system")).unwrap();
        let wrong = Wish {
            program: "/home/me/rminer/target/release/rminer".into(),
            config: "/etc/rminer/other.toml".into(),
            user: Some("nobody-knows".into()),
            start: true,
        };
        let problems = nobody.problems(&wrong);
        assert_eq!(codes(&problems), ["no-systemd", "service-user", "service-program", "service-config"]);
        assert!(problems.iter().all(|problem| !problem.help.is_empty()));
        assert!(problems[3].to_string().contains("rminer config init"), "{}", problems[3]);
        assert!(problems[2].to_string().contains("sudo install -m 755"), "{}", problems[2]);
    }

    #[test]
    fn modes_that_cannot_work_or_are_unsafe_are_refused() {
        let (_folder, machine, wish) = machine();
        for (path, mode, code, words) in [
            ("/usr/local/bin/rminer", 0o700, "service-program", "may not run"),
            ("/usr/local/bin/rminer", 0o777, "service-program", "may change"),
            (unit::CONFIG, 0o600, "service-config", "may not read"),
            (unit::CONFIG, 0o646, "service-config", "who is paid"),
        ] {
            put(&machine, path, "x", mode);
            let problems = machine.problems(&wish);
            assert_eq!(codes(&problems), [code], "{path} {mode:o}");
            assert!(problems[0].summary.contains(words), "{}", problems[0]);
            put(&machine, path, "x", if path == unit::CONFIG { 0o644 } else { 0o755 });
        }
        // A user of its own may read what others may not.
        put(&machine, unit::CONFIG, "x", 0o640);
        assert_eq!(machine.problems(&Wish { user: Some("miner".into()), ..wish.clone() }), []);
        let at_home = Wish { config: "/home/rig/config.toml".into(), ..wish };
        assert!(machine.problems(&at_home)[0].summary.contains("hides /home"));
    }

    #[test]
    fn a_unit_that_is_no_unit_is_not_read() {
        let (_folder, machine, _) = machine();
        put(&machine, "/etc/systemd/system/rminer.service", &"x".repeat(64 * 1024 + 1), 0o644);
        assert_eq!(machine.installed(), None);
    }
}
