//! Every command that README and the pages for users show, run as it stands there: with the program itself, against a miner
//! that runs in the test. What would mine ends before the first hash, and what would change the machine only says so.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

mod support;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig, bitcoin};
use support::{Miner, WALLET};

/// Addresses of nobody with right checksums; the Bitcoin one is of BIP 173.
const KASPA: &str = "qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j";
const BITCOIN: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
/// No command may take longer; `bench` and `demo` end by themselves before.
const LONGEST: Duration = Duration::from_secs(60);
/// Programs of the system and of the build, which are not ours to try. Targets of make and programs of cargo must exist.
const NOT_RUN: [&str; 11] = [
    "make",
    "cargo",
    "install",
    "systemctl",
    "journalctl",
    "docker",
    "ssh",
    "kill",
    "ps",
    "sysctl",
    "promtool",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A command as it stands in a page.
#[derive(Debug)]
struct Shown {
    page: String,
    line: usize,
    text: String,
}

/// The commands in the fenced blocks of this language, continued lines joined, comments left out.
fn shown(language: &str) -> Vec<Shown> {
    let mut pages = vec![root().join("README.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    pages.sort();
    let mut all = Vec::new();
    for path in pages {
        let page = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let mut inside = None;
        let mut before = String::new();
        for (number, line) in text.lines().enumerate() {
            if let Some(fence) = line.trim_start().strip_prefix("```") {
                inside = if inside.is_some() { None } else { Some(fence.trim().to_owned()) };
                assert!(before.is_empty(), "{page}:{number}: a command goes on behind the end of its block");
                continue;
            }
            if inside.as_deref() != Some(language) {
                continue;
            }
            let code = line.split(" #").next().unwrap().trim();
            if code.is_empty() || code.starts_with('#') {
                continue;
            }
            match code.strip_suffix('\\') {
                Some(part) => before.push_str(part),
                None => {
                    let text = std::mem::take(&mut before) + code;
                    all.push(Shown { page: page.clone(), line: number + 1, text });
                }
            }
        }
    }
    all
}

/// The miner that the commands talk to, and where they run.
struct Stage {
    folder: tempfile::TempDir,
    pool: LocalPool,
    other: LocalPool,
    api: SocketAddr,
    miner: Miner,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [pool, other] = [(); 2].map(|()| {
            let difficulty =
                DifficultyConfig { start: bitcoin::hashes(0.0005), ..DifficultyConfig::default() };
            let config = PoolConfig::with_profile(bitcoin::Profile::default());
            LocalPool::spawn_thread(PoolConfig { difficulty, ..config }).unwrap()
        });
        let token = folder.path().join("state/rminer/api-token");
        fs::create_dir_all(token.parent().unwrap()).unwrap();
        fs::write(&token, "0123456789abcdef-of-the-test\n").unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        let [url, second] = [&pool, &other].map(|pool| format!("stratum+tcp://{}", pool.addr()));
        let base = ["--pool", &url, "--pool", &second, "--user", "rig", "--user-is-account"];
        let own = ["--api-bind", "127.0.0.1:0", "--api-token-file", token.to_str().unwrap()];
        let mut miner = Miner::start_sha256d(&[&base[..], &own[..]].concat());
        let api = miner.api();
        miner.wait_accepted(1, 60);
        let stage = Self { folder, pool, other, api, miner };
        stage.shims();
        stage
    }

    /// `rminer` is the binary under test and `sudo` nothing.
    fn shims(&self) {
        let folder = self.folder.path().join("bin");
        fs::create_dir(&folder).unwrap();
        let binary = env!("CARGO_BIN_EXE_rminer");
        for (name, text) in [("rminer", format!("exec {binary} \"$@\"")), ("sudo", "exec \"$@\"".to_owned())]
        {
            let path = folder.join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir(self.folder.path().join("etc")).unwrap();
        let xmrig = r#"{"pools":[{"url":"pool.example:3333","user":"account","pass":"x","algo":"rx/0"}]}"#;
        fs::write(self.folder.path().join("xmrig.json"), xmrig).unwrap();
    }

    /// The text with everything that stands for something of the reader's own.
    fn filled(&self, text: &str) -> String {
        let pool = self.pool.addr().to_string();
        let mut text = text
            .replace("HOST2:PORT", &self.other.addr().to_string())
            .replace("HOST:PORT", &pool)
            .replace("RIG:4077", &self.api.to_string())
            .replace("127.0.0.1:4077", &self.api.to_string())
            .replace("kaspa:ADDRESS", &format!("kaspa:{KASPA}"))
            .replace("kaspa:q...", &format!("kaspa:{KASPA}"))
            .replace("BITCOIN_ADDRESS", BITCOIN)
            .replace("WALLET", WALLET)
            .replace("/etc/rminer", "$HOME/etc")
            .replace("rminer ... ", &format!("rminer --pool {pool} --user {WALLET} "))
            .replace("~/.local/state", "$XDG_STATE_HOME");
        if text.contains("sha256d") {
            text = text.replace("ADDRESS", BITCOIN);
        }
        text
    }

    /// What is run for a command: the same, so that it ends soon and changes nothing beyond the miner of the test.
    fn tame(&self, text: &str) -> String {
        let (command, rest) = match text.find(['|', '>']) {
            Some(end) => text.split_at(end),
            None => (text, ""),
        };
        let is_ours = |next: &&str| !NOT_RUN.iter().any(|name| next.trim_start().starts_with(name));
        let rest = if rest.strip_prefix('|').as_ref().is_none_or(is_ours) { rest } else { "" };
        let words: Vec<&str> = command.split_whitespace().skip_while(|word| *word != "rminer").collect();
        let more = match words.get(1).copied().unwrap_or_default() {
            "" => "",
            "mine" => "--dry-run",
            option if option.starts_with('-') && option != "--version" => "--dry-run",
            "setup" | "service" if !words.contains(&"--dry-run") && !words.contains(&"status") => "--dry-run",
            "demo" if words.contains(&"--watchdog-test") => "--threads 1 --api-bind off",
            "demo" => "--algo sha256d --devices cpu --threads 1 --time-limit 2s --api-bind off",
            "bench" => "--algo sha256d --devices cpu --threads 1 --seconds 1s",
            _ => "",
        };
        format!("{} {more} {rest}", command.trim_end())
    }

    fn run(&self, text: &str) -> Output {
        let home = self.folder.path();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RMINER_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["-c", text])
            .current_dir(home)
            .env("PATH", format!("{}:{path}", home.join("bin").display()))
            .env("HOME", home)
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            // Where commands find the miner of the test; nothing that mines opens an interface here.
            .env("RMINER_API_BIND", self.api.to_string())
            .stdin(Stdio::null())
            .stdout(fs::File::create(home.join("out")).unwrap())
            .stderr(fs::File::create(home.join("err")).unwrap())
            .spawn()
            .unwrap();
        let end = Instant::now() + LONGEST;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= end {
                let _ended = child.kill();
                let _reaped = child.wait();
                panic!("`{text}` does not end: {}", fs::read_to_string(home.join("err")).unwrap());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let read = |name: &str| fs::read(home.join(name)).unwrap();
        Output { status, stdout: read("out"), stderr: read("err") }
    }
}

/// Exit codes that are right for a command here, beside 0: this machine has not what it needs, and it says so.
fn also_right(text: &str) -> &'static [i32] {
    const RULES: [(&str, &[i32]); 6] = [
        // No graphics card; a machine of tests may have none, or software only.
        ("gpu", &[3]),
        // The pool of the test speaks Bitcoin, and no node listens.
        ("pool test", &[1, 4]),
        // Something on this machine can be better.
        ("doctor", &[1]),
        // Who runs the tests may be nobody who could, and no service manager may run.
        ("setup", &[1]),
        ("service", &[1]),
        ("--watchdog-test", &[42]),
    ];
    RULES.iter().find(|(part, _)| text.contains(part)).map_or(&[], |(_, codes)| codes)
}

#[test]
fn commands_of_the_pages_do_what_they_say() {
    let commands = shown("sh");
    assert!(commands.len() > 40, "{}", commands.len());
    let mut stage = Stage::new();
    let mut wrong = Vec::new();
    for shown in &commands {
        let words: Vec<&str> = shown.text.split_whitespace().filter(|word| *word != "sudo").collect();
        if NOT_RUN.contains(words.first().unwrap()) || shown.text.contains("cargo run") {
            continue;
        }
        // The full screen wants a terminal; its own tests have one.
        if words.contains(&"top") || words.contains(&"full") {
            continue;
        }
        let mut text = stage.tame(&stage.filled(&shown.text));
        if words.contains(&"curl") && words.contains(&"-N") {
            text = text.replace("-N", "-N --max-time 3 || test $? = 28;: ");
        }
        let output = stage.run(&text);
        let code = output.status.code();
        if code != Some(0) && !also_right(&shown.text).iter().any(|right| code == Some(*right)) {
            let said = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{}:{}: `{text}` ends with {code:?}: {said}", shown.page, shown.line));
        }
    }
    stage.miner.assert_alive();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn targets_of_make_and_programs_of_cargo_exist() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut seen = 0;
    for shown in shown("sh") {
        let words: Vec<&str> = shown.text.split_whitespace().collect();
        if words[0] == "make" {
            let target = words.get(1).expect("which target");
            assert!(makefile.contains(&format!("\n{target}:")), "{}: {target}", shown.page);
            seen += 1;
        }
        if let Some(bin) = words.iter().position(|word| *word == "--bin") {
            let name = words[bin + 1];
            let file = root().join("benches/src/bin").join(name);
            assert!(file.with_extension("rs").exists() || file.exists(), "{}: {name}", shown.page);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn settings_of_the_pages_are_understood() {
    let stage = tempfile::tempdir().unwrap();
    let mut blocks: Vec<(String, usize, String)> = Vec::new();
    for shown in shown("toml") {
        match blocks.last_mut() {
            Some((page, line, text)) if *page == shown.page && *line + 1 == shown.line => {
                *line = shown.line;
                text.push_str(&format!("\n{}", shown.text));
            }
            _ => blocks.push((shown.page, shown.line, shown.text)),
        }
    }
    assert!(!blocks.is_empty());
    for (page, line, text) in blocks {
        let file = stage.path().join("settings.toml");
        let text = format!("user = \"{WALLET}\"\n[[pool]]\nurl = \"127.0.0.1:1\"\n{text}\n");
        fs::write(&file, &text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_rminer"))
            .args(["config", "check"])
            .arg(&file)
            .env("HOME", stage.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{page}:{line}: {said}\n{text}");
    }
}

#[test]
fn links_lead_somewhere() {
    let docs = root().join("docs");
    let mut pages: Vec<PathBuf> = fs::read_dir(&docs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    pages.push(root().join("README.md"));
    let mut seen = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}
