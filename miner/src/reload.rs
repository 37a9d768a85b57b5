//! A configuration that is read again while the miner runs: what of it holds at once, and what only the next start
//! brings. Nothing that says who is paid or where is mined changes in a running miner.

use rminer_stratum::PoolConfig;
use secrecy::ExposeSecret;

use crate::config::Settings;
use crate::engine::Reloaded;
use crate::problem::Problem;

/// Compares what was read with what holds, and lets hold what may: `running` has it afterwards.
pub fn apply(running: &mut Settings, read: Settings) -> Reloaded {
    let mut changed = Vec::new();
    if running.safety != read.safety {
        changed.push("limits");
    }
    if running.stats_interval != read.stats_interval {
        changed.push("stats-interval");
    }
    let needs_start = differences(running, &read);
    running.safety = read.safety.clone();
    running.stats_interval = read.stats_interval;
    Reloaded {
        safety: read.safety,
        stats_interval: read.stats_interval,
        changed,
        needs_start,
        // What was said at the start needs no saying again.
        warnings: read.warnings.into_iter().filter(|warning| !running.warnings.contains(warning)).collect(),
    }
}

/// All that is wrong with a configuration, as one problem.
pub fn refused(problems: &[Problem]) -> Problem {
    let summary = "the configuration has faults, so nothing of it is applied and all stays as it was";
    let facts = problems.iter().map(Problem::to_string);
    facts.fold(Problem::error("config", summary), Problem::fact).help("rminer config check")
}

/// What differs beyond that which holds at once, in the words of the options.
fn differences(running: &Settings, read: &Settings) -> Vec<&'static str> {
    let pools = |settings: &Settings| settings.pools.iter().map(whole).collect::<Vec<_>>();
    let checks = [
        ("algo", running.algorithm.name == read.algorithm.name),
        ("pools", pools(running) == pools(read)),
        ("devices", running.devices == read.devices),
        ("cpu", running.cpu == read.cpu),
        ("gpu", running.gpu == read.gpu),
        ("ui", running.ui == read.ui),
        ("log", running.log == read.log),
        ("api", running.api == read.api),
        ("alert", running.alerts == read.alerts),
        ("retries", running.retries == read.retries),
        ("time-limit", running.time_limit == read.time_limit),
    ];
    checks.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

/// All of a pool's settings. Its debugging text names every field but the secrets, which stand behind it.
fn whole(pool: &PoolConfig) -> (String, Vec<String>) {
    let logins =
        [pool.url.login(), pool.proxy.as_ref().and_then(|proxy| proxy.login())].into_iter().flatten();
    let passwords = logins.filter_map(|login| login.pass.as_ref()).chain([&pool.credentials.pass]);
    (format!("{pool:?}"), passwords.map(|secret| secret.expose_secret().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Globals, Layer, Layers, Pools, from_file, resolve};

    fn settings(text: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let (source, file, problems) = from_file(&path, &|_| None).unwrap();
        assert_eq!(problems, []);
        let layers = Layers { file, source: Some(source), flags: Layer::default(), ..Layers::default() };
        resolve(&layers, Pools::Needed, Globals::default()).unwrap().settings
    }

    const BASE: &str =
        "algo = \"sha256d\"\nuser = \"rig\"\npass = \"one\"\n[[pool]]\nurl = \"tcp://127.0.0.1:3333\"\n";

    #[test]
    fn what_needs_a_start_is_named_and_not_applied() {
        let mut running = settings(BASE);
        let read = settings(&BASE.replace("3333", "4444").replace("sha256d", "kheavyhash"));
        let reloaded = apply(&mut running, read);
        assert_eq!(reloaded.needs_start, ["algo", "pools"]);
        assert_eq!((running.algorithm.name, running.pools[0].url.port()), ("sha256d", 3333));
        // A secret alone is a difference, and is in no word of the answer.
        let reloaded = apply(&mut running, settings(&BASE.replace("one", "hunter2")));
        assert_eq!(reloaded.needs_start, ["pools"]);
        assert!(!format!("{reloaded:?}").contains("hunter2"));
        let reloaded = apply(&mut running, settings(&BASE.replace("tcp://", "tcp://a:b@")));
        assert_eq!(reloaded.needs_start, ["pools"]);
        let reloaded = apply(&mut running, settings(BASE));
        assert_eq!((reloaded.needs_start.len(), reloaded.changed.len()), (0, 0));
    }

    #[test]
    fn what_holds_at_once_is_named_once() {
        let mut running = settings(BASE);
        let other = BASE.replace("algo", "stats_interval = \"5s\"\nalgo");
        assert_eq!(apply(&mut running, settings(&other)).changed, ["stats-interval"]);
        assert_eq!(running.stats_interval, Some(std::time::Duration::from_secs(5)));
        assert!(apply(&mut running, settings(&other)).changed.is_empty());
    }

    #[test]
    fn all_faults_are_in_one_answer() {
        let problems = [Problem::error("a", "first"), Problem::error("b", "second")];
        let text = refused(&problems).to_string();
        assert!(text.contains("error[a]: first") && text.contains("error[b]: second"), "{text}");
    }
}
