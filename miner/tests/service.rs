//! The program under a service manager: a socket of the test stands for that of systemd, and hears what it would.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;
mod support;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fixtures::with_fixtures;
use rminer::service::unit::Unit;
use rminer_pool::bitcoin::{Profile, hashes};
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig};
use support::Miner;

/// What must come, on a machine that is busy with other tests, in seconds.
const PATIENCE_S: u64 = 90;

/// A manager: everything that it was told, in order.
#[derive(Clone)]
struct Manager(Arc<Mutex<Vec<String>>>);

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let manager = Self(Arc::clone(&told));
        // Ends with the process of the test.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes) {
                told.lock().unwrap().push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
        });
        manager
    }

    /// All lines so far.
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().flat_map(|message| message.lines()).map(str::to_owned).collect()
    }

    fn count(&self, start: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(start)).count()
    }
}

fn pool() -> LocalPool {
    let difficulty = DifficultyConfig { start: hashes(0.0005), ..DifficultyConfig::default() };
    LocalPool::spawn_thread(PoolConfig { difficulty, ..PoolConfig::with_profile(Profile::default()) })
        .unwrap()
}

fn signal(miner: &Miner, name: &str) {
    let sent = Command::new("kill").args([name, &miner.pid().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

#[test]
fn a_manager_hears_of_the_start_the_state_a_reload_and_the_end() {
    let (pool, folder) = (pool(), tempfile::tempdir().unwrap());
    let socket = folder.path().join("notify");
    let manager = Manager::listen(&socket);
    let config = folder.path().join("config.toml");
    let write = |limits: &str| {
        let url = format!("stratum+tcp://{}", pool.addr());
        let text = format!("user = \"rig\"\n[[pool]]\nurl = \"{url}\"\n[safety]\n{limits}\n");
        fs::write(&config, text).unwrap();
    };
    write("");
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "2000000")];
    let arguments = ["--config", config.to_str().unwrap()];
    let base = ["--devices", "cpu", "--threads", "1"];
    let mut miner = Miner::start_in(&environment, "sha256d", &base, &arguments);

    miner.wait("READY=1", PATIENCE_S, |_| manager.count("READY=1") == 1);
    miner.wait_accepted(2, PATIENCE_S);
    miner.wait("the state in words", PATIENCE_S, |_| {
        manager
            .lines()
            .iter()
            .any(|line| line.starts_with("STATUS=mining sha256d at ") && line.contains("accepted"))
    });
    miner.wait("signs of life", PATIENCE_S, |_| manager.count("WATCHDOG=1") >= 3);

    // What did not change goes on: the same connection, the same workers, and hashes all the while.
    let ready = |miner: &Miner| miner.named("device").len();
    let (devices, logins) = (ready(&miner), pool.stats().logins);
    write("power_cap = 400");
    signal(&miner, "-HUP");
    miner.wait("the end of the reload", PATIENCE_S, |_| manager.count("READY=1") == 2);
    let lines = manager.lines();
    let at = lines.iter().position(|line| line == "RELOADING=1").unwrap();
    let time_us: u64 = lines[at + 1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(time_us > 0 && lines[at..].contains(&"READY=1".to_owned()), "{lines:?}");
    miner.wait("the order", PATIENCE_S, |miner| {
        miner
            .named("order")
            .iter()
            .any(|order| order["text"].as_str().is_some_and(|text| text.contains("limits")))
    });
    miner.wait_accepted(2, PATIENCE_S);
    assert_eq!((ready(&miner), pool.stats().logins), (devices, logins));

    // A faulty file changes nothing, and the service stays ready.
    fs::write(&config, "user = 7\n").unwrap();
    signal(&miner, "-HUP");
    miner.wait("the end of the second reload", PATIENCE_S, |_| manager.count("READY=1") == 3);
    miner.wait_accepted(1, PATIENCE_S);
    assert_eq!((ready(&miner), pool.stats().logins), (devices, logins));

    // An engine that does not turn gives no sign of life; the manager would kill it now.
    signal(&miner, "-STOP");
    std::thread::sleep(Duration::from_millis(500));
    let before = manager.count("WATCHDOG=1");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(manager.count("WATCHDOG=1"), before);
    signal(&miner, "-CONT");
    miner.wait("signs of life again", PATIENCE_S, |_| manager.count("WATCHDOG=1") > before);

    assert_eq!(manager.count("STOPPING=1"), 0);
    let (code, _, _) = miner.stop();
    assert_eq!((code, manager.count("STOPPING=1")), (Some(0), 1));
}

#[test]
fn a_manager_that_cannot_be_told_is_a_warning() {
    let pool = pool();
    let url = format!("stratum+tcp://{}", pool.addr());
    let base = ["--devices", "cpu", "--threads", "1"];
    let arguments = ["--pool", url.as_str(), "--user", "rig"];
    let mut miner = Miner::start_in(&[("NOTIFY_SOCKET", "vsock:2:9")], "sha256d", &base, &arguments);
    miner.wait("the warning", PATIENCE_S, |miner| {
        miner.named("warning").iter().any(|warning| warning["code"] == "service-manager")
    });
    miner.wait_accepted(1, PATIENCE_S);
    assert_eq!(miner.stop().0, Some(0));
}

#[test]
fn the_journal_gets_priorities_and_no_times() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = fs::File::create(&path).unwrap();
    let stream = journal.metadata().map(|metadata| format!("{}:{}", metadata.dev(), metadata.ino())).unwrap();
    // A port where nobody listens: a warning comes, and after a round the end with an error.
    let status = Command::new(env!("CARGO_BIN_EXE_rminer"))
        .args(["--algo", "sha256d", "--devices", "cpu", "--threads", "1", "--retries", "1"])
        .args(["--pool", "stratum+tcp://127.0.0.1:1", "--user", "rig", "--color", "always"])
        .env("RMINER_API_BIND", "off")
        .env("XDG_STATE_HOME", folder.path())
        .env("JOURNAL_STREAM", stream)
        .stdin(Stdio::null())
        .stdout(journal.try_clone().unwrap())
        .stderr(journal)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(4));
    let text = fs::read_to_string(&path).unwrap();
    for start in
        ["<4>warning[pool-down]: ", "<4>  trying again", "<3>error[pool-unreachable]: ", "<3>  help: "]
    {
        assert!(text.lines().any(|line| line.starts_with(start)), "no {start} in {text}");
    }
    assert!(!text.contains('\x1b'), "{text}");
    let has_time = |line: &&str| line.get(2..3) == Some(":") && line.get(5..6) == Some(":");
    assert_eq!(text.lines().filter(has_time).count(), 0, "{text}");
}

/// The program with an environment that only has these variables.
fn told(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rminer"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn folders_of_the_manager_count() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "algo = \"sha256d\"\nuser = \"rig\"\nlog = { file = \"rig.log\" }\n").unwrap();
    let named = folder.path().to_str().unwrap();
    let (code, text) = told(&["config", "show", "--origin"], &[("CONFIGURATION_DIRECTORY", named)]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("file {}:1", config.display())), "{text}");
}

#[test]
fn a_dry_run_shows_the_unit_and_what_is_in_the_way() {
    let (code, text) =
        told(&["service", "install", "--dry-run", "--config", "/nonexistent/rminer.toml"], &[]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "error[service-config]: the service has no configuration: /nonexistent/rminer.toml",
        "rminer config init",
        "write     /etc/systemd/system/rminer.service",
        "systemctl enable rminer.service",
        "mine --config /nonexistent/rminer.toml --ui lines",
        "RestartPreventExitStatus=2 3 5 6",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn the_service_commands_say_where_there_is_no_systemd() {
    if Path::new("/run/systemd/system").exists() {
        // On a machine with systemd this is no place to try out what changes it.
        return;
    }
    for arguments in [&["service", "install"][..], &["service", "status"]] {
        let (code, text) = told(arguments, &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("error[no-systemd]") && text.contains("--dry-run"), "{text}");
    }
    let (code, text) = told(&["service", "uninstall"], &[]);
    assert_eq!((code, text.trim()), (Some(0), "there is no service to remove"));
}

/// The most that systemd may rate the unit's exposure at; 10 is a service without any sandbox.
const MAX_EXPOSURE: f64 = 2.0;

#[test]
fn the_unit_is_sound_and_its_sandbox_is_tight() {
    with_fixtures("the_unit_is_sound_and_its_sandbox_is_tight", &["systemd-analyze"], || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rminer.service");
        // With a program that is there, and without the manual, which is not installed here.
        let unit = Unit { program: env!("CARGO_BIN_EXE_rminer").into(), ..Unit::default() };
        let text = unit.text().replace("Documentation=man:rminer(1)\n", "");
        fs::write(&path, text).unwrap();
        let analyze = |arguments: &[&str]| {
            let output = Command::new("systemd-analyze").args(arguments).arg(&path).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
        };
        let (_, complaints) = analyze(&["verify"]);
        assert!(!complaints.contains("rminer.service"), "{complaints}");
        let (report, _) = analyze(&["security", "--offline=true", "--no-pager"]);
        let level = report.split("Overall exposure level for rminer.service: ").nth(1).unwrap();
        let level: f64 = level.split(' ').next().unwrap().parse().unwrap();
        assert!(level <= MAX_EXPOSURE, "{level}");
    });
}
