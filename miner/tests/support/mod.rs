//! The real binary, started, read and stopped.
#![allow(dead_code, unreachable_pub)] // each test target uses a part of it

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A Monero address of nobody: the checksum is right.
pub const WALLET: &str =
    "47Noq88fPGkJ5TGejJ92ZtbZx9LGPSe4NPk236AFKc1cC9dgXDA8ikJgQRShxpLfHtMav6w1eLZguBjzXtd2Z3NGBT5mJYP";

/// A running rminer with `--ui json`.
pub struct Miner {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Miner {
    /// Starts the binary in light mode with one thread and these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(&["--randomx-mode", "light", "--threads", "1", "--huge-pages", "off"], arguments)
    }

    /// The same with two threads, which run on two processors: one of them may be busy with something else.
    pub fn start_pair(arguments: &[&str]) -> Self {
        Self::start_with(&["--randomx-mode", "light", "--threads", "2", "--huge-pages", "off"], arguments)
    }

    /// Mines SHA-256d on one CPU thread.
    pub fn start_sha256d(arguments: &[&str]) -> Self {
        Self::start_at("sha256d", &["--devices", "cpu", "--threads", "1"], arguments)
    }

    /// The same with a state folder of its own.
    pub fn start_sha256d_in(state: &std::path::Path, arguments: &[&str]) -> Self {
        let base = ["--devices", "cpu", "--threads", "1"];
        let state = state.to_str().expect("a folder of a test has a plain name");
        Self::start_in(&[("XDG_STATE_HOME", state)], "sha256d", &base, arguments)
    }

    /// Starts the binary with these arguments, RandomX and `--ui json`.
    pub fn start_with(base: &[&str], arguments: &[&str]) -> Self {
        Self::start_at("randomx", base, arguments)
    }

    /// The same for any algorithm.
    pub fn start_at(algorithm: &str, base: &[&str], arguments: &[&str]) -> Self {
        Self::start_in(&[], algorithm, base, arguments)
    }

    /// The same with these variables in its environment.
    pub fn start_in(
        environment: &[(&str, &str)],
        algorithm: &str,
        base: &[&str],
        arguments: &[&str],
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rminer"))
            .args(["--algo", algorithm, "--ui", "json", "--stats-interval", "1"])
            .args(base)
            .args(arguments)
            .env_remove("RMINER_POOL")
            // Tests run side by side; those of the interface name an address of their own.
            .env("RMINER_API_BIND", "off")
            // What a miner learns and the token that it makes belong to the tests, not to who runs them.
            .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .env_remove("RMINER_API_TOKEN")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let events = Arc::new(Mutex::new(Vec::new()));
        let errors = Arc::new(Mutex::new(String::new()));
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let err = BufReader::new(child.stderr.take().expect("piped"));
        let readers = vec![
            std::thread::spawn({
                let events = Arc::clone(&events);
                move || {
                    for line in out.lines().map_while(Result::ok) {
                        let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                        events.lock().unwrap().push(event);
                    }
                }
            }),
            std::thread::spawn({
                let errors = Arc::clone(&errors);
                move || {
                    for line in err.lines().map_while(Result::ok) {
                        let mut errors = errors.lock().unwrap();
                        errors.push_str(&line);
                        errors.push('\n');
                    }
                }
            }),
        ];
        Self { child, events, errors, readers }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }

    /// Events of one name.
    pub fn named(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }

    /// Where its interface listens, as it says at its start.
    pub fn api(&mut self) -> std::net::SocketAddr {
        self.wait("the start", 30, |miner| !miner.named("start").is_empty());
        let start = self.named("start").remove(0);
        start["api"].as_str().and_then(|address| address.parse().ok()).expect("it has an interface")
    }

    /// The token of its interface.
    pub fn api_token(&self) -> String {
        let start = self.named("start").remove(0);
        let path = start["api_token_file"].as_str().expect("it has a token").to_owned();
        std::fs::read_to_string(path).expect("the token can be read").trim().to_owned()
    }

    /// Accepted shares so far.
    pub fn accepted(&self) -> usize {
        self.named("share").iter().filter(|share| share["verdict"] == "accepted").count()
    }

    /// Why connections ended so far.
    pub fn down_reasons(&self) -> String {
        let downs = self.named("pool").into_iter().filter(|event| event["state"] == "down");
        downs
            .map(|event| event["text"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// What was written to the error output so far.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Waits until `done`; panics with everything that was said after `seconds`.
    pub fn wait(&mut self, what: &str, seconds: u64, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !done(self) {
            let exited = self.child.try_wait().expect("the child is ours");
            if exited.is_some() || Instant::now() >= end {
                // What the readers still hold comes with a moment's delay.
                std::thread::sleep(Duration::from_millis(100));
                if done(self) {
                    return;
                }
                let events = self.events();
                let tail: Vec<String> = events.iter().rev().take(30).rev().map(Value::to_string).collect();
                panic!(
                    "no {what} within {seconds} s (exit: {exited:?})\n{}\n{}",
                    tail.join("\n"),
                    self.errors()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Panics with the last words of a miner that has ended by itself.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the child is ours") {
            panic!("ended by itself: {status}\n{}", self.errors());
        }
    }

    /// Waits for `count` further accepted shares.
    pub fn wait_accepted(&mut self, count: usize, seconds: u64) {
        let want = self.accepted() + count;
        self.wait(&format!("{count} accepted shares"), seconds, |miner| miner.accepted() >= want);
    }

    /// Asks it to end, as Ctrl-C does, and returns the exit code, the summary, and how long it took.
    pub fn stop(mut self) -> (Option<i32>, Value, Duration) {
        let asked = Instant::now();
        let kill = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()));
        let code = self.wait_exit(20);
        let took = asked.elapsed();
        let summary = self.named("summary").pop().unwrap_or(Value::Null);
        (code, summary, took)
    }

    /// Waits for it to end by itself.
    pub fn wait_exit(&mut self, seconds: u64) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(seconds);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(Instant::now() < end, "does not end within {seconds} s\n{}", self.errors());
            std::thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status.code()
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        // Only ever this child; after `stop` it is gone and this does nothing.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Every hit of a summary is in exactly one place.
pub fn assert_sums(summary: &Value) {
    let shares = &summary["shares"];
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number in {summary}"));
    let sum = |object: &Value| object.as_object().unwrap().values().map(number).sum::<u64>();
    let closed = number(&shares["accepted"])
        + number(&shares["no_reply"])
        + number(&shares["lost"])
        + sum(&shares["rejected"])
        + sum(&shares["not_sent"]);
    assert_eq!(number(&shares["found"]), closed + number(&summary["pending"]), "{summary}");
}

/// `VmRSS + HugetlbPages` of a process, in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (field("VmRSS:") + field("HugetlbPages:")) / 1024.0
}

/// Threads and open files of a process.
pub fn threads_and_files(pid: u32) -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(format!("/proc/{pid}/{folder}")).map_or(0, Iterator::count);
    (count("task"), count("fd"))
}
