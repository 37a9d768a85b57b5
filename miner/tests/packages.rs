//! What people install: the package for Hive OS, the files for Docker, the manual. Checked by what can be checked without
//! Hive OS and without Docker.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fixtures::with_fixtures;
use rminer::cli::own_command;
use rminer::config::keys::KEYS;
use rminer_pool::bitcoin::{Profile, hashes};
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Output of a command that succeeds.
fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn hives_package_has_its_folder_its_name_and_always_the_same_bytes() {
    with_fixtures(
        "hives_package_has_its_folder_its_name_and_always_the_same_bytes",
        &["bash", "tar", "gzip", "sed"],
        || {
            use std::os::unix::fs::PermissionsExt as _;
            let folder = tempfile::tempdir().unwrap();
            // Its version has what the agent would cut the name at.
            let binary = folder.path().join("built");
            fs::write(&binary, "#!/bin/sh\necho rminer 0.4.0-rc1\n").unwrap();
            fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).unwrap();
            let pack = |out: &str| {
                let out = folder.path().join(out);
                let script = repository().join("deploy/hiveos/package.sh");
                let file = said(Command::new("bash").arg(script).arg(&binary).arg(&out));
                assert_eq!(file.trim(), out.join("rminer-0.4.0_rc1.tar.gz").to_str().unwrap());
                out.join("rminer-0.4.0_rc1.tar.gz")
            };
            let package = pack("a");
            assert_eq!(fs::read(&package).unwrap(), fs::read(pack("b")).unwrap());
            let name = package.file_name().unwrap().to_str().unwrap();
            assert_eq!(name.rsplit_once('-').unwrap().0, "rminer", "what the agent makes of it");
            let list = said(Command::new("tar").arg("-tvzf").arg(&package));
            for (file, mode) in [
                ("rminer/rminer", "-rwxr-xr-x"),
                ("rminer/h-config.sh", "-rwxr-xr-x"),
                ("rminer/h-run.sh", "-rwxr-xr-x"),
                ("rminer/h-stats.sh", "-rwxr-xr-x"),
                ("rminer/h-manifest.conf", "-rw-r--r--"),
            ] {
                let line = list.lines().find(|line| line.ends_with(&format!(" {file}")));
                assert!(line.is_some_and(|line| line.starts_with(mode)), "{file}: {list}");
            }
            let manifest = said(Command::new("tar").arg("-xzOf").arg(&package).arg("rminer/h-manifest.conf"));
            assert!(manifest.contains("CUSTOM_VERSION=0.4.0_rc1\n"), "{manifest}");
            assert!(read("deploy/hiveos/h-manifest.conf").contains(env!("CARGO_PKG_VERSION")));
        },
    );
}

#[test]
fn hives_scripts_configure_and_run_it() {
    with_fixtures("hives_scripts_configure_and_run_it", &["bash", "jq", "tee"], || {
        let difficulty = DifficultyConfig { start: hashes(0.0005), ..DifficultyConfig::default() };
        let pool = PoolConfig { difficulty, ..PoolConfig::with_profile(Profile::default()) };
        let pool = LocalPool::spawn_thread(pool).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap();
        for script in ["h-config.sh", "h-run.sh"] {
            fs::write(folder.path().join(script), read(&format!("deploy/hiveos/{script}"))).unwrap();
        }
        let manifest = read("deploy/hiveos/h-manifest.conf").replace("/var/log/miner/custom", place);
        let manifest = manifest.replace("/hive/miners/custom/$CUSTOM_NAME", place);
        assert_eq!(manifest.matches(place).count(), 2, "{manifest}");
        fs::write(folder.path().join("h-manifest.conf"), manifest).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rminer"), folder.path().join("rminer")).unwrap();
        let lines = "time_limit = \"8s\"\ndevices = \"cpu\"\n[cpu]\nthreads = 1\n[api]\nbind = \"off\"";
        // As the agent does: the manifest and the flight sheet's fields, then the script.
        said(
            Command::new("bash")
                .args(["-c", ". ./h-manifest.conf; . ./h-config.sh"])
                .current_dir(folder.path())
                .env("CUSTOM_ALGO", "sha256d")
                .env("CUSTOM_TEMPLATE", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
                .env("CUSTOM_URL", pool.addr().to_string())
                .env("CUSTOM_USER_CONFIG", lines),
        );
        let shown = said(
            Command::new("bash")
                .arg(folder.path().join("h-run.sh"))
                .env("XDG_STATE_HOME", folder.path().join("state"))
                .current_dir("/"),
        );
        assert!(shown.contains("Stopped after"), "{shown}");
        assert_eq!(fs::read_to_string(folder.path().join("rminer.log")).unwrap(), shown);
        assert!(pool.stats().shares.accepted > 0);
        // The code is the miner's, not that of what writes the log.
        fs::write(folder.path().join("rminer.toml"), "user = 7\n").unwrap();
        let ended = Command::new("bash")
            .arg(folder.path().join("h-run.sh"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(ended.code(), Some(2));
    });
}

/// Instructions of a Docker file, one a line.
fn instructions(path: &str) -> Vec<(String, String)> {
    let text = read(path).replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{path}: {line}"));
            (word.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

/// Words in the form of JSON.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn parses(words: &[String]) {
    let taken = own_command().try_get_matches_from(words);
    assert!(taken.is_ok(), "{words:?}: {:?}", taken.err());
}

#[test]
fn docker_files_copy_what_there_is_and_start_what_the_program_takes() {
    let members = read("Cargo.toml");
    let members = members.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let ignored = read(".dockerignore");
    for path in ["deploy/docker/Dockerfile.cpu", "deploy/docker/Dockerfile.gpu"] {
        let all = instructions(path);
        let of = |word: &str| {
            all.iter().filter(|(known, _)| known == word).map(|(_, rest)| rest.clone()).collect::<Vec<_>>()
        };
        for from in of("FROM") {
            let image = from.split(' ').next().unwrap();
            let tag = image.rsplit_once(':').unwrap_or_else(|| panic!("{path}: {image} has no tag")).1;
            assert!(!["latest", "stable", "nightly"].contains(&tag), "{path}: {image}");
        }
        let mut copied = Vec::new();
        for copy in of("COPY") {
            if copy.starts_with("--from=") {
                continue;
            }
            let sources: Vec<&str> = copy.split(' ').collect();
            for source in &sources[..sources.len() - 1] {
                assert!(repository().join(source).exists(), "{path}: {source}");
                let top = source.split('/').next().unwrap();
                assert!(ignored.lines().any(|line| line == format!("!{top}")), "{path}: {top} is ignored");
                copied.push((*source).to_owned());
            }
        }
        for member in words(members) {
            // A folder brings what is below it.
            let is_copied = copied.iter().any(|folder| Path::new(&member).starts_with(folder));
            assert!(is_copied, "{path} lacks {member}");
        }
        let (entry, command) = (words(&of("ENTRYPOINT")[0]), words(&of("CMD")[0]));
        parses(&[entry, command].concat());
        parses(&words(of("HEALTHCHECK")[0].split_once("CMD ").unwrap().1));
        assert_eq!(of("USER"), ["rminer"], "{path}");
        let user = all.iter().position(|(word, _)| word == "USER").unwrap();
        assert!(all[user..].iter().all(|(word, _)| word != "RUN"), "{path}: nothing is run as root after it");
        assert!(!read(path).replace("needs --privileged", "").contains("privileged"), "{path}");
    }
    let compose = read("deploy/docker/compose.yaml");
    let value = |key: &str| {
        let line = compose.lines().find_map(|line| line.trim().strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key} in {compose}")).trim().to_owned()
    };
    assert!(repository().join("deploy/docker").join(value("context:")).join(value("dockerfile:")).exists());
    parses(&[vec!["rminer".to_owned()], words(&value("command:"))].concat());
    assert!(!compose.contains("privileged: true") && compose.contains("cap_drop: [ALL]"), "{compose}");
}

fn rminer(arguments: &[&str]) -> String {
    said(Command::new(env!("CARGO_BIN_EXE_rminer")).args(arguments).env("RMINER_API_BIND", "off"))
}

#[test]
fn the_manual_has_every_option_and_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    rminer(&["man", "--dir", pages.to_str().unwrap()]);
    let page = |name: &str| fs::read_to_string(pages.join(format!("{name}.1"))).unwrap().replace("\\-", "-");
    let (whole, mine) = (rminer(&["man"]).replace("\\-", "-"), page("rminer-mine"));
    let shown = KEYS.iter().filter(|key| !key.hidden && key.no_flag.is_none());
    for key in shown {
        for text in [&whole, &mine] {
            assert!(text.contains(&format!("--{}", key.flag)), "no --{} in the manual", key.flag);
        }
    }
    // Every command has a page, and is named in that of the program.
    let mut waiting = vec![("rminer".to_owned(), own_command())];
    let mut number = 0;
    while let Some((name, command)) = waiting.pop() {
        assert!(page(&name).contains(".SH NAME"), "{name}");
        number += 1;
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            waiting.push((format!("{name}-{}", inner.get_name()), inner.clone()));
        }
    }
    assert_eq!(fs::read_dir(&pages).unwrap().count(), number);
    assert!(whole.contains("rminer-service(1)") && number > 20, "{number}");
}

#[test]
fn the_manual_can_be_typeset() {
    with_fixtures("the_manual_can_be_typeset", &["groff"], || {
        let folder = tempfile::tempdir().unwrap();
        rminer(&["man", "--dir", folder.path().to_str().unwrap()]);
        for page in fs::read_dir(folder.path()).unwrap() {
            let path = page.unwrap().path();
            let output = Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(&path).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", path.display());
            assert!(output.stdout.len() > 200, "{}", path.display());
        }
    });
}

#[test]
fn the_package_for_debian_has_its_parts_and_starts_nothing() {
    with_fixtures(
        "the_package_for_debian_has_its_parts_and_starts_nothing",
        &["bash", "dpkg-deb", "gzip"],
        || {
            use std::os::unix::fs::PermissionsExt as _;
            let folder = tempfile::tempdir().unwrap();
            let binary = folder.path().join("built");
            let script = "#!/bin/sh\ncase $1 in\n--version) echo rminer 0.4.0-rc1 ;;\nman) mkdir -p \"$3\"; echo .TH >\"$3/rminer.1\" ;;\n\
                      completions) echo \"for $2\" ;;\n*) exit 1 ;;\nesac\n";
            fs::write(&binary, script).unwrap();
            fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).unwrap();
            let pack = |out: &str| {
                let script = repository().join("deploy/deb/package.sh");
                let mut command = Command::new("bash");
                command.arg(script).arg(&binary).arg(folder.path().join(out)).env("DEB_COMPRESSION", "gzip");
                PathBuf::from(said(&mut command).trim())
            };
            let package = pack("a");
            assert!(
                package.file_name().unwrap().to_str().unwrap().starts_with("rminer_0.4.0~rc1_"),
                "{package:?}"
            );
            assert_eq!(fs::read(&package).unwrap(), fs::read(pack("b")).unwrap());
            let list = said(Command::new("dpkg-deb").arg("--contents").arg(&package));
            for (file, mode) in [
                ("./usr/bin/rminer", "-rwxr-xr-x root/root"),
                ("./usr/lib/systemd/system/rminer.service", "-rw-r--r-- root/root"),
                ("./usr/share/man/man1/rminer.1.gz", "-rw-r--r-- root/root"),
                ("./usr/share/bash-completion/completions/rminer", "-rw-r--r-- root/root"),
                ("./usr/share/doc/rminer/copyright", "-rw-r--r-- root/root"),
                ("./etc/rminer/", "drwxr-xr-x root/root"),
            ] {
                let line = list.lines().find(|line| line.ends_with(&format!(" {file}")));
                assert!(line.is_some_and(|line| line.starts_with(mode)), "{file}: {list}");
            }
            let unpacked = folder.path().join("unpacked");
            said(Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(&unpacked));
            let unit = fs::read_to_string(unpacked.join("usr/lib/systemd/system/rminer.service")).unwrap();
            assert!(
                read("deploy/systemd/rminer.service").ends_with(&unit) && unit.contains("[Service]"),
                "{unit}"
            );
            // Without settings there is nothing to start.
            let scripts = ["postinst", "prerm"]
                .map(|name| fs::read_to_string(unpacked.join("DEBIAN").join(name)).unwrap());
            assert!(
                !scripts.concat().contains("start") && !scripts.concat().contains("enable "),
                "{scripts:?}"
            );
        },
    );
}
