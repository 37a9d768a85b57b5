//! The command line as a user meets it: the real program, its texts and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod interface;

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const WALLET: &str =
    "43MYzY2wtbf7ZEH67BU2McFDAogZ4hLghUtCkEcA4wUtP1HuZbdEdczAqN9nN5QcF7cck6ffcdoJddsi51SP1hxK1zSXLis";
const PIN: &str = "abababababababababababababababababababababababababababababababab";

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Settings of `config show --json`: the value of a key, for a pool or in general.
    fn value(&self, key: &str, pool: Option<u64>) -> Option<String> {
        self.row(key, pool).and_then(|row| row["value"].as_str().map(str::to_owned))
    }

    fn origin(&self, key: &str, pool: Option<u64>) -> Option<String> {
        self.row(key, pool).and_then(|row| row["origin"].as_str().map(str::to_owned))
    }

    fn row(&self, key: &str, pool: Option<u64>) -> Option<Value> {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        let rows: Vec<Value> = serde_json::from_str(&self.stdout).unwrap();
        rows.into_iter().find(|row| row["key"] == key && row["pool"].as_u64() == pool)
    }
}

fn rminer_with(args: &[&str], env: &[(&str, &str)]) -> Outcome {
    let mut command = Command::cargo_bin("rminer").unwrap();
    let output = command.env_clear().envs(env.iter().copied()).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn rminer(args: &[&str]) -> Outcome {
    rminer_with(args, &[])
}

/// What options mean, by `config show --json`.
fn shown(args: &[&str]) -> Outcome {
    rminer(&[&["config", "show", "--json"], args].concat())
}

/// Options that must be refused with exit code 2 and these texts.
fn refused<A: AsRef<str> + std::fmt::Debug>(args: &[A], texts: &[&str]) {
    let outcome = shown(&args.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    assert_eq!(outcome.code, Some(2), "{args:?}: {}", outcome.all());
    for text in texts {
        assert!(outcome.stderr.contains(text), "{args:?}: no {text:?} in {}", outcome.stderr);
    }
}

#[test]
fn a_pasted_xmrig_line_is_understood() {
    let line = format!(
        "-a rx/0 -o pool.example:3333 -u {WALLET} -p x -k --tls --donate-level 0 -t 2 --rig-id rig --randomx-wrmsr=-1 \
         --coin monero --http-port 8080 --cpu-priority 3 --no-color --randomx-1gb-pages --cpu-affinity 0x5 \
         --tls-fingerprint {PIN} --nicehash --print-time 30 -r 5 -R 5 --asm=ryzen --huge-pages-jit"
    );
    let outcome = shown(&line.split_whitespace().collect::<Vec<_>>());
    for (key, pool, value) in [
        ("algo", None, "randomx"),
        ("pool.url", Some(1), "pool.example:3333"),
        ("tls", Some(1), "on"),
        ("tls_pin", Some(1), PIN),
        ("keepalive", Some(1), "on"),
        ("nicehash", Some(1), "on"),
        ("worker", Some(1), "rig"),
        ("cpu.threads", None, "2"),
        ("cpu.affinity", None, "0x5"),
        ("cpu.huge_pages", None, "1g"),
        ("stats_interval", None, "30"),
        ("retries", None, "5"),
        ("api.bind", None, "127.0.0.1:8080"),
    ] {
        assert_eq!(outcome.value(key, pool).as_deref(), Some(value), "{key}");
    }
    let ignored: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("[flag-ignored]")).collect();
    for flag in
        ["--donate-level", "--randomx-wrmsr", "--cpu-priority", "--retry-pause", "--asm", "--huge-pages-jit"]
    {
        assert_eq!(
            ignored.iter().filter(|line| line.contains(&format!(": {flag} "))).count(),
            1,
            "{flag}: {ignored:?}"
        );
    }
    assert_eq!(ignored.len(), 6, "{ignored:?}");
}

#[test]
fn flags_that_must_not_be_dropped_are_refused() {
    refused(&["-B"], &["flag-refused", "--background", "does not hide"]);
    refused(&["--bench", "1M"], &["rminer bench"]);
    refused(&["--no-cpu"], &["--devices gpu"]);
    refused(&["--self-select", "127.0.0.1:1"], &["not in this version"]);
    refused(&["--spend-secret-key", "aa"], &["never takes the key of a wallet"]);
}

#[test]
fn options_belong_to_the_pool_before_them() {
    let outcome = shown(&[
        "-w",
        "all",
        "-o",
        "a.example:1",
        "-u",
        "one",
        "-p",
        "first",
        "-o",
        "b.example:2",
        "-u",
        "two",
        "-w",
        "own",
        "--tls",
        "-o",
        "tls://c.example:3",
        "-u",
        "three",
        "-k",
    ]);
    for (key, values) in [
        ("pool.url", [Some("a.example:1"), Some("b.example:2"), Some("tls://c.example:3")]),
        ("user", [Some("one"), Some("two"), Some("three")]),
        ("worker", [Some("all"), Some("own"), Some("all")]),
        ("tls", [None, Some("on"), None]),
        ("keepalive", [None, None, Some("on")]),
        ("pass", [Some("***"), None, None]),
    ] {
        for (pool, value) in (1..).zip(values) {
            assert_eq!(outcome.value(key, Some(pool)).as_deref(), value, "{key} of pool {pool}");
        }
    }
}

#[test]
fn one_user_behind_several_pools_is_meant_for_all() {
    let outcome = shown(&["-o", "a.example:1", "-o", "b.example:2", "-u", WALLET]);
    assert_eq!(outcome.value("user", Some(1)).as_deref(), Some(WALLET));
    refused(
        &["-o", "a.example:1", "-o", "b.example:2", "-u", "x", "-o", "c.example:3", "-u", "y"],
        &["no-user", "pool 1"],
    );
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    refused(&["-o", "a.example:1", "-u", "one", "-u", "two"], &["given-twice", "--user"]);
    refused(&["-a", "rx/0", "-a", "kawpow"], &["two-algorithms"]);
    refused(&["-o", "a.example:1", "-u", "one", "-p", "x", "--pass-file", "f"], &["pass-conflict"]);
    refused(&["-t", "4", "--affinity", "0,1"], &["thread-conflict"]);
    assert_eq!(shown(&["-a", "rx/0", "--coin", "monero"]).code, Some(0));
}

#[test]
fn userpass_is_user_and_pass() {
    let outcome = shown(&["-o", "a.example:1", "-O", "me:hunter2"]);
    assert_eq!(outcome.value("user", Some(1)).as_deref(), Some("me"));
    assert_eq!(outcome.value("pass", Some(1)).as_deref(), Some("***"));
}

#[test]
fn values_in_the_wrong_place_name_the_right_flag() {
    let pool = ["-o", "a.example:1", "-u", WALLET];
    let with =
        |more: &[&str]| -> Vec<String> { pool.iter().chain(more).map(|&word| word.to_owned()).collect() };
    refused(&with(&["-p", "pool.example:3333"]), &["password-is-pool", "--pool (-o)"]);
    refused(&with(&["-p", WALLET]), &["password-is-wallet", "--user (-u)"]);
    refused(&with(&["-w", WALLET]), &["worker-is-wallet", "--user (-u)"]);
    refused(
        &["-o", "a.example:1", "-u", "stratum+tcp://pool.example:3333"],
        &["user-is-pool", "--pool (-o)"],
    );
    refused(&["-a", WALLET], &["is a wallet address", "--user"]);
    refused(&["-o", "miner.log", "-u", WALLET], &["the port is missing", "--log-file"]);
    refused(&with(&["-w", &"w".repeat(600)]), &["name-length", "600 bytes"]);
    refused(&["-o", "a.example:1", "-u", "one\ntwo"], &["name-control", "place 4"]);
    refused(&["-d", "0,1"], &["could be a CPU or a GPU", "cpu0,gpu1"]);
    for threads in ["0", "-1", "70000", "x"] {
        refused(
            &["-t", threads],
            &[&format!("`--threads {threads}` is not a number of threads from 1 to 4096")],
        );
    }
    refused(&["-i", "11"], &["`--intensity 11` is not a number from 1 to 10"]);
    refused(
        &["-o", "a.example:1", "-u", &WALLET.replace("43MY", "43YM")],
        &["wallet-checksum", "43YM...XLis"],
    );
}

#[test]
fn mistyped_words_are_recognised() {
    refused(&["-a", "randmox"], &["unknown-algorithm", "did you mean `randomx`?"]);
    refused(&["--tread", "2"], &["'--threads'"]);
    refused(&["--huge-pages", "atuo"], &["did you mean `auto`?"]);
    let outcome = rminer(&["algoss"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("'algos'"), "{}", outcome.stderr);
}

#[test]
fn no_pool_shows_three_ways_to_give_one() {
    for args in [&[][..], &["mine"], &["-t", "1"]] {
        let outcome = rminer(args);
        assert_eq!(outcome.code, Some(2), "{args:?}");
        assert!(outcome.stderr.contains("error[no-pool]"), "{}", outcome.stderr);
        let examples = outcome.stderr.lines().filter(|line| line.trim_start().starts_with("help: rminer "));
        assert_eq!(examples.count(), 3, "{}", outcome.stderr);
    }
}

#[test]
fn to_mine_is_the_default_command() {
    let line = format!("-a rx/0 -o 127.0.0.1:9 -u {WALLET} -p x -k --tls --donate-level 0 -t 1 --dry-run");
    let words: Vec<&str> = line.split(' ').collect();
    for args in [words.clone(), [&["mine"], &words[..]].concat()] {
        let outcome = rminer(&args);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.stdout.contains("stratum+tls://127.0.0.1:9"), "{}", outcome.stdout);
        assert_eq!(outcome.stderr.matches("[flag-ignored]").count(), 1, "{}", outcome.stderr);
    }
}

#[test]
fn options_of_mining_do_not_stand_before_other_commands() {
    for (args, text) in [
        (["-a", "randomx", "bench"], "rminer bench --algo"),
        (["--donate-level", "1", "mine"], "rminer mine --donate-level"),
    ] {
        let outcome = rminer(&args);
        assert_eq!(outcome.code, Some(2));
        assert!(
            outcome.stderr.contains("misplaced-option") && outcome.stderr.contains(text),
            "{}",
            outcome.stderr
        );
    }
    assert_eq!(rminer(&["--json", "--no-color", "-v", "algos"]).code, Some(0));
}

#[test]
fn flags_stand_over_environment_over_file_over_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let file = "user = \"from-file\"\nworker = \"${RIG}-1\"\nstats_interval = 10\ntime_limit = \"1h\"\n\
                [[pool]]\nurl = \"stratum+tcp://file.example:1\"\n[cpu]\nthreads = 8\nintensity = 3\n";
    fs::write(&path, file).unwrap();
    let env = [
        ("RMINER_CONFIG", path.to_str().unwrap()),
        ("RMINER_THREADS", "4"),
        ("RMINER_INTENSITY", "5"),
        ("RMINER_USER", "from-environment"),
        ("RMINER_ALGO", ""),
        ("RIG", "shed"),
    ];
    let outcome = rminer_with(&["config", "show", "--json", "-t", "2"], &env);
    for (key, pool, value, origin) in [
        ("cpu.threads", None, "2", "flag --threads".to_owned()),
        ("cpu.intensity", None, "5", "environment RMINER_INTENSITY".to_owned()),
        ("user", Some(1), "from-environment", "environment RMINER_USER".to_owned()),
        ("worker", Some(1), "shed-1", format!("file {}:2", path.display())),
        ("stats_interval", None, "10", format!("file {}:3", path.display())),
        ("algo", None, "randomx", "default".to_owned()),
    ] {
        assert_eq!(outcome.value(key, pool).as_deref(), Some(value), "{key}");
        assert_eq!(outcome.origin(key, pool), Some(origin), "{key}");
    }
    let text = rminer_with(&["config", "show", "--origin"], &env).stdout;
    assert!(text.contains(&format!("# file {}:2", path.display())), "{text}");
}

#[test]
fn a_flag_for_all_pools_stands_over_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, "[[pool]]\nurl = \"stratum+tcp://file.example:1\"\nuser = \"file\"\npass = \"p\"\n")
        .unwrap();
    let path = path.to_str().unwrap();
    let outcome = shown(&["-c", path, "-u", "flag"]);
    assert_eq!(outcome.value("pool.url", Some(1)).as_deref(), Some("stratum+tcp://file.example:1"));
    assert_eq!(outcome.value("user", Some(1)).as_deref(), Some("flag"));
    let outcome = shown(&["-c", path, "-o", "flag.example:1", "-u", "flag"]);
    assert_eq!(outcome.value("pool.url", Some(1)).as_deref(), Some("flag.example:1"));
    assert_eq!(outcome.value("pass", Some(1)), None, "a password of the file's pool is not for another one");
}

#[test]
fn pools_come_from_the_environment_too() {
    let env =
        [("RMINER_POOL", "a.example:1, tls://b.example:2"), ("RMINER_USER", "me"), ("RMINER_TLS", "on")];
    let outcome = rminer_with(&["config", "show", "--json"], &env);
    assert_eq!(outcome.value("pool.url", Some(2)).as_deref(), Some("tls://b.example:2"));
    let outcome = rminer_with(&["config", "show"], &[("RMINER_THREADS", "none")]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("`RMINER_THREADS=none` is not a number of threads"),
        "{}",
        outcome.stderr
    );
    // A broken environment is no concern of commands that do not use it.
    assert_eq!(rminer_with(&["algos"], &[("RMINER_THREADS", "none")]).code, Some(0));
}

#[test]
fn a_missing_or_strange_file_is_named() {
    for (content, text) in [(None, "cannot be read"), (Some("{ \"pools\": [] }"), "rminer config migrate")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.toml");
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let outcome = shown(&["-c", path.to_str().unwrap()]);
        assert_eq!(outcome.code, Some(2));
        assert!(outcome.stderr.contains(text) && outcome.stderr.contains("some.toml"), "{}", outcome.stderr);
    }
    let outcome = shown(&["-c", "/dev/zero"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("more than 1048576 bytes"), "{}", outcome.stderr);
    let outcome = rminer(&["config", "check"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("rminer config init"), "{}", outcome.stderr);
}

#[test]
fn the_usual_place_of_the_file_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/rminer");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), "[cpu]\nthreads = 3\n").unwrap();
    let env = [("HOME", home.path().to_str().unwrap())];
    let outcome = rminer_with(&["config", "show", "--json"], &env);
    assert_eq!(outcome.value("cpu.threads", None).as_deref(), Some("3"));
}

/// Secrets in every place that takes one; no output may hold them, good or bad.
#[test]
fn no_output_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let secret_file = write("secret", "hunter2\n");
    let good = write(
        "good.toml",
        "pass = \"hunter2\"\nproxy = \"socks5://me:hunter2@127.0.0.1:1\"\n[[pool]]\n\
         url = \"stratum+tcp://me:hunter2@a.example:1\"\n",
    );
    let bad_values = write(
        "bad.toml",
        "pass = 5\nproxy = \"http://me:hunter2@127.0.0.1:1\"\nthreads = 1\n[[pool]]\n\
         url = \"stratum+tcp://me:hunter2@a.example\"\npass = [\"hunter2\"]\n",
    );
    let bad_syntax = write("syntax.toml", "pass = \"hunter2\nuser = 1\n");
    let multi_line =
        write("lines.toml", "pass = \"\"\"\nhunter2\nx\n\"\"\"\nproxy = socks5://me:hunter2@h:1\n");
    let pool = ["-o", "a.example:1", "-u", "me"];
    let cases: &[Vec<&str>] = &[
        [&pool[..], &["-p", "hunter2"]].concat(),
        [&pool[..], &["-p", "hunter2", "-p", "hunter2x"]].concat(),
        [&pool[..], &["-p", "tcp://hunter2.example:1"]].concat(),
        [&pool[..], &["--pass-file", &secret_file]].concat(),
        [&pool[..], &["-x", "socks5://me:hunter2@127.0.0.1:1"]].concat(),
        [&pool[..], &["-x", "http://me:hunter2@127.0.0.1:1"]].concat(),
        [&pool[..], &["-x", "socks5://me:hunter2@127.0.0.1"]].concat(),
        vec!["-o", "a.example:1", "-O", "me:hunter2"],
        vec!["-o", "tcp://me:hunter2@a.example:1"],
        vec!["-o", "tcp://me:hunter2@a.example"],
        vec!["-o", "tcp://me:hun/hunter2@a.example:x"],
        vec!["-o", "http://me:hunter2@127.0.0.1:18081", "-u", WALLET],
        vec!["-o", "a.example:1", "-u", "tcp://me:hunter2@b.example:2"],
        vec!["-c", &good],
        vec!["-c", &bad_values],
        vec!["-c", &bad_syntax],
        vec!["-c", &multi_line],
    ];
    for case in cases {
        for form in [&["config", "show", "--origin"][..], &["config", "show", "--json"]] {
            let outcome = rminer(&[form, &case[..]].concat());
            assert!(!outcome.all().contains("hunter2"), "{case:?}: {}", outcome.all());
        }
        if let ["-c", path] = case[..] {
            let outcome = rminer(&["config", "check", path]);
            assert!(!outcome.all().contains("hunter2"), "{path}: {}", outcome.all());
        }
    }
    let outcome = rminer_with(
        &["config", "show", "-o", "a.example:1", "-u", "me"],
        &[("RMINER_PASS", "hunter2"), ("RMINER_PROXY", "socks4://me:hunter2@h:1")],
    );
    assert_eq!(outcome.code, Some(2));
    assert!(!outcome.all().contains("hunter2"), "{}", outcome.all());
}

#[test]
fn visible_passwords_are_warned_of() {
    let pool = ["-o", "tcp://a.example:1", "-u", WALLET];
    let stderr = |more: &[&str]| shown(&[&pool[..], more].concat()).stderr;
    assert!(stderr(&["-p", "hunter2"]).contains("warning[password-visible]"));
    assert_eq!(stderr(&["-p", "x"]), "");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "hunter2\n").unwrap();
    set_mode(&path, 0o644);
    assert!(stderr(&["--pass-file", path.to_str().unwrap()]).contains("warning[file-mode]"));
    set_mode(&path, 0o600);
    assert_eq!(stderr(&["--pass-file", path.to_str().unwrap()]), "");
    let config = folder.path().join("config.toml");
    fs::write(&config, "pass = \"hunter2\"\n").unwrap();
    set_mode(&config, 0o644);
    assert!(stderr(&["-c", config.to_str().unwrap()]).contains("warning[file-mode]"));
    set_mode(&config, 0o600);
    assert_eq!(stderr(&["-c", config.to_str().unwrap()]), "");
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn warnings_come_once() {
    let outcome = shown(&["-o", "a.example:1", "-o", "b.example:2", "-u", "account"]);
    assert_eq!(outcome.stderr.matches("warning[user-unchecked]").count(), 1, "{}", outcome.stderr);
    let outcome = shown(&["-o", "tcp://a.example:1", "-u", &format!("{WALLET}+50000")]);
    assert!(
        outcome.stderr.contains("warning[user-suffix]") && outcome.stderr.contains("+50000"),
        "{}",
        outcome.stderr
    );
    let address = "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j";
    let kaspa = |user: &str, more: &[&str]| {
        let args = ["-a", "kheavyhash", "-o", "tcp://a.example:1", "-u", user];
        shown(&[&args[..], more].concat()).stderr
    };
    assert_eq!(kaspa(&format!("{address}.rig"), &[]), "");
    assert_eq!(kaspa(address, &["-w", "rig"]), "");
    assert!(kaspa(&format!("{address}/rig"), &[]).contains("warning[user-suffix]"));
    assert_eq!(kaspa("account.rig", &[]).matches("warning[user-unchecked]").count(), 1);
    assert_eq!(kaspa(&address.replace("kaspa:", "kaspadev:"), &["--user-is-account"]), "");
    let outcome = shown(&["-o", "127.0.0.1:3333"]);
    assert!(outcome.stderr.contains("warning[no-user]"), "{}", outcome.stderr);
}

#[test]
fn colour_is_only_used_when_wanted() {
    let with = |args: &[&str], env: &[(&str, &str)]| {
        rminer_with(&[&["config", "show", "-t", "0"], args].concat(), env).stderr
    };
    assert!(!with(&[], &[]).contains('\x1b'), "standard error is no terminal here");
    assert!(with(&["--color", "always"], &[]).contains("\x1b[1;31merror"));
    assert!(with(&["--color=always"], &[("NO_COLOR", "1")]).contains('\x1b'));
    assert!(!with(&["--color", "always", "--no-color"], &[]).contains('\x1b'));
}

#[test]
fn init_prints_a_file_that_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let options = [
        "-o",
        "tls://a.example:1",
        "-u",
        WALLET,
        "-w",
        "a \"rig\" ${X}",
        "-o",
        "http://127.0.0.1:2",
        "-t",
        "0,2,",
    ];
    let outcome = rminer(&[&["config", "init"], &options[..]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    fs::write(&path, &outcome.stdout).unwrap();
    let check = rminer(&["config", "check", path.to_str().unwrap()]);
    assert_eq!(check.code, Some(2), "the second pool has no user in the file: {}", check.stderr);
    let both = [
        "-u",
        WALLET,
        "-o",
        "tls://a.example:1",
        "-w",
        "a \"rig\" ${X}",
        "-o",
        "http://127.0.0.1:2",
        "-t",
        "0,2,",
    ];
    fs::write(&path, rminer(&[&["config", "init"], &both[..]].concat()).stdout).unwrap();
    let shown = shown(&["-c", path.to_str().unwrap()]);
    assert_eq!(shown.value("worker", Some(1)).as_deref(), Some("a \"rig\" ${X}"));
    assert_eq!(shown.value("cpu.threads", None).as_deref(), Some("0,2,"));
    assert_eq!(shown.value("user", Some(2)).as_deref(), Some(WALLET));
    assert_eq!(rminer(&["config", "check", path.to_str().unwrap()]).code, Some(0));

    // With every comment taken away it still has the right form: all examples in it are of the right type.
    let bare = rminer(&["config", "init"]).stdout;
    let example =
        |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).map(str::to_owned);
    let everything: Vec<String> =
        bare.lines().map(|line| example(line).unwrap_or_else(|| line.to_owned())).collect();
    fs::write(&path, everything.join("\n")).unwrap();
    let check = rminer(&["config", "check", path.to_str().unwrap()]);
    for code in ["config-key", "config-type", "config-syntax"] {
        assert!(!check.stderr.contains(code), "{}", check.stderr);
    }
}

#[test]
fn migrate_prints_what_an_xmrig_file_means() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let json = format!(
        r#"{{
            "autosave": true, "background": false, "donate-level": 1, "print-time": 30, "retries": 5,
            "log-file": null, "http": {{ "enabled": true, "port": 8080, "access-token": "hunter2" }},
            "randomx": {{ "mode": "light", "1gb-pages": true, "wrmsr": true }},
            "cpu": {{ "enabled": true, "huge-pages": true, "rx": [0, 2], "cn": [0], "asm": true }},
            // the pools
            "pools": [
                {{ "algo": "rx/0", "coin": null, "url": "a.example:443", "user": "{WALLET}", "pass": "hunter2",
                   "rig-id": "rig", "tls": true, "tls-fingerprint": "{PIN}", "keepalive": true, "enabled": true }},
                {{ "url": "127.0.0.1:18081", "user": "{WALLET}", "daemon": true, "daemon-poll-interval": 1000 }}
            ]
        }}"#
    );
    fs::write(&path, json).unwrap();
    let outcome = rminer(&["config", "migrate", path.to_str().unwrap()]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for name in [
        "autosave",
        "donate-level",
        "retries",
        "cpu.cn",
        "cpu.asm",
        "randomx.wrmsr",
        "pools.daemon-poll-interval",
    ] {
        assert!(outcome.stdout.contains(name), "{name}: {}", outcome.stdout);
    }
    assert!(outcome.stderr.contains("http.access-token"), "{}", outcome.stderr);
    let migrated = folder.path().join("config.toml");
    fs::write(&migrated, &outcome.stdout).unwrap();
    let migrated = migrated.to_str().unwrap();
    assert_eq!(rminer(&["config", "check", migrated]).code, Some(0));
    let shown = shown(&["-c", migrated]);
    for (key, pool, value) in [
        ("pool.url", Some(1), "stratum+tls://a.example:443"),
        ("tls_pin", Some(1), PIN),
        ("worker", Some(1), "rig"),
        ("pool.url", Some(2), "daemon+http://127.0.0.1:18081"),
        ("cpu.threads", None, "0,2,"),
        ("cpu.huge_pages", None, "1g"),
        ("cpu.randomx_mode", None, "light"),
        ("stats_interval", None, "30"),
        ("api.bind", None, "127.0.0.1:8080"),
    ] {
        assert_eq!(shown.value(key, pool).as_deref(), Some(value), "{key}");
    }
    fs::write(&path, "{ \"pass\": hunter2 }").unwrap();
    let outcome = rminer(&["config", "migrate", path.to_str().unwrap()]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("line 1") && !outcome.all().contains("hunter2"), "{}", outcome.stderr);
}

#[test]
fn algos_lists_every_algorithm() {
    let outcome = rminer(&["algos"]);
    assert_eq!(outcome.code, Some(0));
    for word in ["randomx", "rx/0", "Monero (XMR)", "sha256d", "Bitcoin (BTC)", "cpu"] {
        assert!(outcome.stdout.contains(word), "{}", outcome.stdout);
    }
    let rows: Value = serde_json::from_str(&rminer(&["--json", "algos"]).stdout).unwrap();
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["sha256d", "kheavyhash", "randomx", "randomx-v2"]);
    let kinds: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["devices"].to_string()).collect();
    assert_eq!(kinds, [r#"["gpu","cpu"]"#, r#"["gpu","cpu"]"#, r#"["cpu"]"#, r#"["cpu"]"#]);
}

#[test]
fn completions_and_version() {
    for shell in ["bash", "zsh", "fish"] {
        let outcome = rminer(&["completions", shell]);
        assert_eq!(outcome.code, Some(0));
        assert!(outcome.stdout.contains("huge-pages") && outcome.stdout.contains("tofu"), "{shell}");
        assert!(!outcome.stdout.contains("donate"), "flags of other miners are not offered: {shell}");
    }
    let outcome = rminer(&["--version"]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(0), concat!("rminer ", env!("CARGO_PKG_VERSION"), "\n"))
    );
}

#[test]
fn closed_output_is_no_crash() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("rminer"))
        .args(["config", "init"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn devices_lists_the_processor() {
    let outcome = rminer(&["devices"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("XDG_RUNTIME_DIR"), "no driver asks for a display: {}", outcome.stderr);
    assert!(outcome.stdout.lines().any(|line| line.starts_with("cpu0 ")), "{}", outcome.stdout);
    let rows: Value = serde_json::from_str(&rminer(&["devices", "--json"]).stdout).unwrap();
    assert_eq!(rows[0]["id"], "cpu0");
    // Machines of tests often have no sensor, and always a word about each.
    assert!(
        rows[0]["sensors"]["temperatures"].is_array() && !rows[0]["sensors"]["notes"][0]["text"].is_null()
    );
    assert!(rows[0]["threads"].as_u64().unwrap() >= 1);
    assert!(["ready", "limited"].contains(&rows[0]["state"].as_str().unwrap()));
}

#[test]
fn the_start_names_devices_and_kernels() {
    let args =
        ["-a", "sha256d", "-o", "127.0.0.1:1", "-u", "demo", "--user-is-account", "-d", "cpu", "--dry-run"];
    let outcome = rminer(&[&args[..], &["--cpu-kernel", "scalar"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.all());
    let line = outcome.stdout.lines().find(|line| line.starts_with("  cpu0 ")).unwrap();
    assert!(line.ends_with("scalar"), "{}", outcome.stdout);
    let outcome = rminer(&[&args[..], &["--cpu-kernel", "scalar", "--json", "-t", "1"]].concat());
    let start: Value = serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap();
    let device = &start["devices"][0];
    assert_eq!((device["device"].as_str(), device["engine"].as_str()), (Some("cpu0"), Some("scalar")));
    assert_eq!((device["workers"].as_u64(), start["left_out"].as_array().map(Vec::len)), (Some(1), Some(0)));
    let outcome = rminer(&[&args[..], &["--cpu-kernel", "abacus"]].concat());
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("scalar"), "{}", outcome.stderr);
}

#[test]
fn devices_say_more_when_asked() {
    let outcome = rminer(&["devices", "-v"]);
    for word in ["packages", "sha256d scalar: ", "chosen", "HOTTEST", "POWER", "sensors: "] {
        assert!(outcome.stdout.contains(word), "{}", outcome.stdout);
    }
    let rows: Value = serde_json::from_str(&rminer(&["devices", "--json"]).stdout).unwrap();
    let algorithms = rows[0]["algorithms"].as_array().unwrap();
    let mined: Vec<_> = algorithms.iter().map(|row| row["algo"].as_str().unwrap()).collect();
    assert_eq!(mined, ["sha256d", "kheavyhash", "randomx", "randomx-v2"]);
    assert!(algorithms.iter().all(|row| row["engine"] != "" && row["reason"] == ""), "{rows}");
}

#[test]
fn devices_of_other_machines() {
    let machine = ("HWLOC_SYNTHETIC", "pack:2 l3:2(size=8388608) core:4 pu:2");
    let rows: Value = serde_json::from_str(&rminer_with(&["devices", "--json"], &[machine]).stdout).unwrap();
    assert_eq!(rows[0]["threads"], 16, "4 caches of 8 MiB feed 4 threads each");
    assert_eq!((rows[0]["packages"].as_u64(), rows[0]["units"].as_u64()), (Some(2), Some(32)));
}

#[test]
fn bench_repeats_the_published_work() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let bench = |more: &[&str]| {
        let args = ["bench", "-a", "rx/0", "-t", "1", "--randomx-mode", "light", "--hashes", "4"];
        rminer_with(&[&args, more].concat(), &[("XDG_STATE_HOME", state)])
    };
    let outcome = bench(&["--json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let result: Value = serde_json::from_str(&outcome.stdout).unwrap();
    for name in
        ["algo", "device", "threads", "vms_per_thread", "init_ms", "first_hash_ms", "hashes", "seconds"]
    {
        assert!(!result[name].is_null(), "{name}: {result}");
    }
    for name in ["cpu_seconds", "hugepages_have", "hugepages_want", "engine"] {
        assert!(!result[name].is_null(), "{name}: {result}");
    }
    assert_eq!((result["hashes"].as_u64(), result["threads"].as_u64()), (Some(4), Some(1)));
    assert_eq!(outcome.stdout.lines().count(), 1, "one object a line");
    let sum = result["checksum"].as_str().unwrap().to_owned();
    let path = folder.path().join("rminer/bench.json");
    assert!(!path.exists(), "nothing is saved unasked");
    let outcome = bench(&["--save"]);
    assert!(outcome.stdout.contains(&format!("sum {sum}")), "{}", outcome.all());
    assert!(outcome.stdout.contains(&format!("Saved in {}", path.display())), "{}", outcome.all());
    let saved: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!((&saved[0]["algo"], &saved[0]["threads"]), (&"randomx".into(), &1.into()));
    assert!(saved[0]["rate_hs"].as_f64().is_some_and(|rate_hs| rate_hs > 0.0), "{saved}");
}

#[test]
fn bench_refuses_what_it_cannot_measure() {
    for (args, code, text) in [
        (&["--hashes", "0"][..], 2, "from 1 to 4294967296"),
        (&["--seconds", "0"], 2, "such as 90s"),
        (&["--seconds", "1", "--hashes", "1"], 2, "cannot be used with"),
        (&["-a", "kawpow"], 2, "unknown-algorithm"),
        (&["--affinity", "4000"], 2, "processing unit 4000"),
        (&["-d", "gpu"], 3, "no-device"),
        (&["-o", "a.example:1"], 2, "unexpected argument"),
    ] {
        let outcome = rminer(&[&["bench"], args].concat());
        assert_eq!(outcome.code, Some(code), "{args:?}: {}", outcome.all());
        assert!(outcome.stderr.contains(text), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn demo_takes_the_options_of_devices_and_none_of_pools() {
    let outcome = rminer(&["demo", "-t", "1", "--dry-run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for (args, text) in [
        (&["-t", "0"][..], "`--threads 0`"),
        (&["-o", "a.example:1"], "unexpected argument"),
        (&["--serve", "nowhere"], "invalid socket address"),
    ] {
        let outcome = rminer(&[&["demo"], args].concat());
        assert_eq!(outcome.code, Some(2), "{args:?}");
        assert!(outcome.stderr.contains(text), "{}", outcome.stderr);
    }
}

/// The pool of `demo --serve`, ended with the test.
struct Served(std::process::Child, String);

impl Served {
    fn start() -> Self {
        use std::io::BufRead;
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("rminer"))
            .args(["demo", "--serve", "127.0.0.1:0"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("stratum+tcp://")).unwrap();
        let address = line.split("stratum+tcp://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        Self(child, address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn pool_test_goes_step_by_step() {
    let served = Served::start();
    let good = format!("stratum+tcp://{}", served.1);
    let outcome = rminer(&["pool", "test", "-o", &good, "-u", WALLET]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.all());
    for step in ["connect", "login", "job"] {
        assert!(
            outcome.stdout.lines().any(|line| line.starts_with(step) && line.ends_with("ok")),
            "{}",
            outcome.stdout
        );
    }
    let tls = format!("stratum+tls://{}", served.1.replace("127.0.0.1", "localhost"));
    let outcome = rminer(&["pool", "test", "--json", "-o", &good, "-o", &tls, "-u", "account"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.all());
    let reports: Vec<Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&reports[0]["ok"], &reports[1]["ok"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(reports[1]["steps"].as_array().unwrap().last().unwrap()["step"], "tls");
    assert_eq!(rminer(&["pool", "test"]).code, Some(2));
}
