//! The real program between two recorded pools, one of which goes away: which connections it makes, with its interface
//! and its sensors on.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rminer_pool::bitcoin::{Profile, hashes};
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig};
use serde_json::Value;

use crate::fixtures::{free_port, with_fixtures};
use crate::recorder::Recorder;
use crate::running::Running;

const USERS: [&str; 2] = ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.first", "account.second"];
/// The whole run, at least; and for the miner to come to each of its stations.
const RUN: Duration = Duration::from_secs(60);
const STATION: Duration = Duration::from_secs(40);

fn pool() -> LocalPool {
    let difficulty = DifficultyConfig { start: hashes(0.0005), ..DifficultyConfig::default() };
    let profile = Profile::default();
    LocalPool::spawn_thread(PoolConfig { difficulty, ..PoolConfig::with_profile(profile) }).unwrap()
}

/// Users of all logins and shares on these connections.
fn users(said: &[Vec<u8>]) -> BTreeSet<String> {
    let lines = said.iter().flat_map(|bytes| bytes.split(|byte| *byte == b'\n'));
    let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let named = messages
        .filter(|message| matches!(message["method"].as_str(), Some("mining.authorize" | "mining.submit")));
    named.map(|message| message["params"][0].as_str().unwrap_or("none").to_owned()).collect()
}

fn count(said: &[Vec<u8>], method: &str) -> usize {
    let text = said.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect::<String>();
    text.matches(&format!("\"{method}\"")).count()
}

/// Sockets of a process: local and remote addresses of those that are not its own listeners.
fn sockets(pid: u32) -> BTreeSet<(SocketAddr, SocketAddr)> {
    let inodes: BTreeSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(remote), Some(inode)) = (fields.get(1), fields.get(2), fields.get(9))
            else {
                continue;
            };
            if inodes.contains(*inode)
                && let (Some(local), Some(remote)) = (address(local), address(remote))
                && remote.port() != 0
            {
                found.insert((local, remote));
            }
        }
    }
    found
}

/// As the kernel writes it: words of four bytes in the machine's order.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let words: Vec<u8> = (0..host.len() / 8)
        .map(|word| u32::from_str_radix(&host[8 * word..8 * word + 8], 16).map(u32::to_ne_bytes))
        .collect::<Result<Vec<_>, _>>()
        .ok()?
        .concat();
    let ip = match <[u8; 4]>::try_from(words.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => {
            let six = Ipv6Addr::from(<[u8; 16]>::try_from(words.as_slice()).ok()?);
            six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4)
        }
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Addresses that system calls in a trace went to, as `address:port`, or the line where it is neither.
fn traced(trace: &str) -> BTreeSet<String> {
    let calls = trace.lines().filter(|line| line.contains("sa_family=") && !line.contains("AF_NETLINK"));
    let outgoing = calls.filter(|line| {
        ["connect(", "sendto(", "sendmsg(", "sendmmsg("].iter().any(|call| line.contains(call))
    });
    outgoing
        .map(|line| {
            let port = between(line, "_port=htons(", ")");
            let ip =
                between(line, "inet_addr(\"", "\"").or_else(|| between(line, "inet_pton(AF_INET6, \"", "\""));
            match (ip, port) {
                (Some(ip), Some(port)) => format!("{ip}:{port}"),
                _ => line.to_owned(),
            }
        })
        .collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    rest.find(after).map(|end| &rest[..end])
}

#[test]
fn the_program_connects_to_its_pools_and_nowhere_else() {
    with_fixtures("real::the_program_connects_to_its_pools_and_nowhere_else", &[], || {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let (first, second) = (pool(), pool());
        let recorders = [Recorder::start(first.addr()), Recorder::start(second.addr())];
        let pools = recorders.each_ref().map(Recorder::addr);
        let api = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let traces = can_trace();
        let mut command = Command::new(if traces { "strace" } else { env!("CARGO_BIN_EXE_rminer") });
        if traces {
            // The tracer as a grandchild, so that the child is the miner.
            command
                .args(["-D", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o"])
                .arg(&trace);
            command.arg(env!("CARGO_BIN_EXE_rminer"));
        }
        command
            .args(["--algo", "sha256d", "--devices", "cpu", "--threads", "1", "--ui", "json"])
            .args(["--api-bind", &api.to_string(), "--stats-interval", "1"])
            .args(["--pool", &format!("stratum+tcp://{}", pools[0]), "--user", USERS[0]])
            .args(["--pool", &format!("stratum+tcp://{}", pools[1]), "--user", USERS[1]])
            .env("HOME", folder.path())
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for name in ["RMINER_POOL", "RMINER_CONFIG", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        let mut miner = Running(command.spawn().unwrap());
        let pid = miner.0.id();
        let (started, mut seen) = (Instant::now(), BTreeSet::new());
        // Looks at its sockets until then, or for so long.
        let mut watch = |until: &dyn Fn() -> bool, limit: Duration| {
            let end = Instant::now() + limit;
            while !until() && Instant::now() < end {
                seen.extend(sockets(pid));
                std::thread::sleep(Duration::from_millis(20));
            }
            until()
        };
        let submits = |pool: usize| count(&recorders[pool].said(), "mining.submit");
        assert!(watch(&|| submits(0) >= 3, STATION), "the first pool gets no shares");
        // Somebody looks on while it mines.
        let text = status(api);
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        // The first pool goes away, and comes back; the second is left again.
        recorders[0].close();
        assert!(watch(&|| submits(1) >= 3, STATION), "the second pool gets no shares");
        recorders[0].open();
        let before = submits(0);
        assert!(watch(&|| submits(0) > before, 3 * STATION), "the first pool is not come back to");
        watch(&|| false, RUN.saturating_sub(started.elapsed()).max(Duration::from_secs(1)));
        let asked = Command::new("kill").args(["-INT", &pid.to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()));
        let end = Instant::now() + Duration::from_secs(20);
        while miner.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "does not end");
            std::thread::sleep(Duration::from_millis(20));
        }

        let elsewhere: Vec<_> =
            seen.iter().filter(|(local, remote)| *local != api && !pools.contains(remote)).collect();
        assert!(elsewhere.is_empty(), "connections elsewhere: {elsewhere:?}");
        assert!(pools.iter().all(|pool| seen.iter().any(|(_, remote)| remote == pool)), "{seen:?}");
        let mut calls = BTreeSet::new();
        if traces {
            calls = traced(&fs::read_to_string(&trace).unwrap());
            let allowed = pools.map(|pool| pool.to_string());
            let others: Vec<&String> = calls.iter().filter(|call| !allowed.contains(call)).collect();
            assert!(others.is_empty(), "calls elsewhere: {others:#?}");
            assert_eq!(calls.len(), 2, "{calls:?}");
        }
        let mut logins = 0;
        for (recorder, user) in recorders.iter().zip(USERS) {
            let said = recorder.said();
            assert_eq!(users(&said), BTreeSet::from([user.to_owned()]));
            logins += count(&said, "mining.authorize");
        }
        println!(
            "{} s, {} connections, {logins} logins, {} shares, traced: {traces} ({} addresses)",
            started.elapsed().as_secs(),
            recorders.iter().map(|recorder| recorder.said().len()).sum::<usize>(),
            submits(0) + submits(1),
            calls.len()
        );
    });
}

/// Whether this system lets a process be traced.
fn can_trace() -> bool {
    let output = Command::new("strace").args(["-f", "-qq", "-e", "trace=connect", "true"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// One look at the interface.
fn status(api: SocketAddr) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(api).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!("GET /api/v1/status HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    let _cut = stream.read_to_string(&mut text);
    text
}

#[test]
fn traces_and_tables_are_read() {
    let trace = "7 connect(9, {sa_family=AF_INET, sin_port=htons(3333), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = -1\n\
        8 connect(9, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \"::1\", &sin6_addr)}, 28) = 0\n\
        8 sendto(9, \"x\", 1, MSG_NOSIGNAL, NULL, 0) = 1\n\
        9 connect(3, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110) = -1\n";
    let found = traced(trace);
    assert!(found.contains("127.0.0.1:3333") && found.contains("::1:443") && found.len() == 3, "{found:?}");
    assert_eq!(address("0100007F:0FED"), Some("127.0.0.1:4077".parse().unwrap()));
    assert_eq!(address("0000000000000000FFFF00000100007F:0050"), Some("127.0.0.1:80".parse().unwrap()));
}
