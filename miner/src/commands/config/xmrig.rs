//! xmrig's `config.json` to our settings.

use rminer_algos::registry;
use rminer_stratum::endpoint::redact_url;
use serde_json::{Map, Value};

use crate::config::keys::Setting;
use crate::config::{Given, Layer, MAX_POOLS, Origin, Source, Values};
use crate::problem::Problem;

/// What a file comes to.
#[derive(Debug, Default)]
pub(super) struct Translation {
    /// The settings.
    pub(super) layer: Layer,
    /// Keys that mean nothing here.
    pub(super) dropped: Vec<String>,
    /// What is lost and may matter to the user, as sentences.
    pub(super) losses: Vec<String>,
}

/// Reads the file.
///
/// # Errors
/// When it is not JSON, or not what xmrig would write.
pub(super) fn translate(source: &Source) -> Result<Translation, Problem> {
    let text = without_comments(source.text());
    let fault = |summary: String| {
        let problem = Problem::error("migrate", summary);
        problem.help("`rminer config init` prints a new file, with the options given to it filled in")
    };
    let path = source.path.display();
    let parsed: Value = serde_json::from_str(&text).map_err(|error| {
        // The text of the error may repeat a value of the file, which may be a password.
        fault(format!("{path} is not JSON: fault in line {}, column {}", error.line(), error.column()))
    })?;
    let Value::Object(mut root) = parsed else {
        return Err(fault(format!("{path} is not a config file: there is no {{...}} around it")));
    };
    let Some(Value::Array(pools)) = root.remove("pools") else {
        return Err(fault(format!("{path} is not a config file of xmrig: it has no list of pools")));
    };
    let mut translation = Translation::default();
    for (index, pool) in pools.into_iter().enumerate().take(MAX_POOLS) {
        match pool {
            Value::Object(pool) => translation.pool(index, pool),
            _ => {
                return Err(fault(format!(
                    "{path} is not a config file of xmrig: pool {} is no table",
                    index + 1
                )));
            }
        }
    }
    translation.general(root);
    Ok(translation)
}

impl Translation {
    fn set(&mut self, setting: Setting, text: impl Into<String>) {
        self.layer.values.insert(setting, given(text));
    }

    /// An algorithm or coin of a pool; one counts for all.
    fn algorithm(&mut self, name: &str) {
        let Some(known) = registry::find(name) else {
            self.losses.push(format!("the algorithm {name}, which this version does not have"));
            return;
        };
        self.set(Setting::Algo, known.name);
    }

    fn pool(&mut self, index: usize, mut pool: Map<String, Value>) {
        let number = index + 1;
        let url = take_text(&mut pool, "url").unwrap_or_default();
        if take_bool(&mut pool, "enabled") == Some(false) {
            self.losses.push(format!("pool {number} ({}), which is not enabled", redact_url(&url)));
            return;
        }
        for name in ["algo", "coin"] {
            if let Some(name) = take_text(&mut pool, name) {
                self.algorithm(&name);
            }
        }
        let tls = take_bool(&mut pool, "tls") == Some(true);
        let daemon = take_bool(&mut pool, "daemon") == Some(true);
        let mut values = Values::new();
        let scheme = match (url.contains("://"), daemon, tls) {
            (true, _, _) => "",
            (false, true, false) => "daemon+http://",
            (false, true, true) => "daemon+https://",
            (false, false, true) => "stratum+tls://",
            (false, false, false) => "stratum+tcp://",
        };
        if tls && scheme.is_empty() {
            values.insert(Setting::Tls, given("on"));
        }
        values.insert(Setting::Pool, given(format!("{scheme}{url}")));
        for (name, setting) in [
            ("user", Setting::User),
            ("pass", Setting::Pass),
            ("rig-id", Setting::Worker),
            ("tls-fingerprint", Setting::TlsPin),
            ("socks5", Setting::Proxy),
        ] {
            if let Some(text) = take_text(&mut pool, name).filter(|text| !text.is_empty()) {
                let text = if setting == Setting::Proxy { format!("socks5://{text}") } else { text };
                values.insert(setting, given(text));
            }
        }
        for (name, setting) in [("nicehash", Setting::Nicehash), ("keepalive", Setting::Keepalive)] {
            // `false` is what xmrig writes by default, so it says nothing.
            let value = pool.remove(name);
            if value.is_some_and(|value| value == Value::Bool(true) || value.as_u64().is_some_and(|n| n > 0))
            {
                values.insert(setting, given("on"));
            }
        }
        if take_text(&mut pool, "self-select").is_some() {
            self.losses.push(format!("self-select of pool {number}, which this version does not have"));
        }
        self.drop_rest("pools.", pool);
        self.layer.pools.push(values);
    }

    fn general(&mut self, mut root: Map<String, Value>) {
        if let Some(Value::Object(cpu)) = root.remove("cpu") {
            self.cpu(cpu);
        }
        if let Some(Value::Object(randomx)) = root.remove("randomx") {
            self.randomx(randomx);
        }
        match root.remove("print-time").and_then(|seconds| seconds.as_u64()) {
            Some(0) => self.set(Setting::StatsInterval, "off"),
            Some(seconds) => self.set(Setting::StatsInterval, seconds.to_string()),
            None => {}
        }
        if let Some(path) = take_text(&mut root, "log-file").filter(|path| !path.is_empty()) {
            self.set(Setting::LogFile, path);
        }
        for (key, what) in [("opencl", "OpenCL"), ("cuda", "CUDA")] {
            if let Some(Value::Object(mut device)) = root.remove(key)
                && take_bool(&mut device, "enabled") == Some(true)
            {
                self.losses.push(format!("mining with {what}, which this version does not have"));
            }
        }
        if let Some(Value::Object(mut http)) = root.remove("http")
            && take_bool(&mut http, "enabled") == Some(true)
        {
            self.http(http);
        }
        if take_bool(&mut root, "background") == Some(true) {
            self.losses.push("background, since rminer does not hide; run it as a service".into());
        }
        self.drop_rest("", root);
    }

    fn http(&mut self, mut http: Map<String, Value>) {
        let host = take_text(&mut http, "host").unwrap_or_else(|| "127.0.0.1".into());
        if let Some(port @ 1..) = http.remove("port").and_then(|port| port.as_u64()) {
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            self.set(Setting::ApiBind, format!("{host}:{port}"));
        }
        if take_text(&mut http, "access-token").is_some() {
            self.losses.push(
                "http.access-token; write it to a file that you alone can read, for api.token_file".into(),
            );
        }
    }

    fn cpu(&mut self, mut cpu: Map<String, Value>) {
        if take_bool(&mut cpu, "enabled") == Some(false) {
            self.losses.push("cpu.enabled = false; `devices = \"gpu\"` mines on GPUs only".into());
        }
        if take_bool(&mut cpu, "huge-pages") == Some(false) {
            self.set(Setting::HugePages, "off");
        }
        if let Some(percent @ 1..100) = cpu.remove("max-threads-hint").and_then(|percent| percent.as_u64()) {
            self.set(Setting::Intensity, percent.div_ceil(10).to_string());
        }
        let profile = ["rx", "rx/0", "*"].iter().find_map(|name| cpu.remove(*name));
        if let Some(threads) = profile.as_ref().and_then(threads) {
            self.set(Setting::Threads, threads);
        }
        self.drop_rest("cpu.", cpu);
    }

    fn randomx(&mut self, mut randomx: Map<String, Value>) {
        if let Some(mode) = take_text(&mut randomx, "mode").filter(|mode| mode != "auto") {
            self.set(Setting::RandomxMode, mode);
        }
        if take_bool(&mut randomx, "1gb-pages") == Some(true)
            && !self.layer.values.contains_key(&Setting::HugePages)
        {
            self.set(Setting::HugePages, "1g");
        }
        self.drop_rest("randomx.", randomx);
    }

    /// Names keys once, even if several pools have them. What is null was not set.
    fn drop_rest(&mut self, prefix: &str, rest: Map<String, Value>) {
        for (key, _) in rest.into_iter().filter(|(_, value)| !value.is_null()) {
            let name = format!("{prefix}{key}");
            if !self.dropped.contains(&name) {
                self.dropped.push(name);
            }
        }
    }
}

/// A profile of threads: a list of processors, -1 for any, or `{"threads": 4}`.
fn threads(profile: &Value) -> Option<String> {
    match profile {
        Value::Array(list) => {
            // An entry may itself be a list, the processor its last part.
            let processors = list.iter().map(|entry| match entry {
                Value::Array(parts) => parts.last().and_then(Value::as_i64),
                entry => entry.as_i64(),
            });
            let processors = processors.collect::<Option<Vec<i64>>>().filter(|list| !list.is_empty())?;
            if processors.contains(&-1) {
                return Some(processors.len().to_string());
            }
            Some(processors.iter().map(|processor| format!("{processor},")).collect())
        }
        Value::Object(object) => object.get("threads").and_then(Value::as_u64).map(|count| count.to_string()),
        Value::Number(count) => count.as_u64().map(|count| count.to_string()),
        _ => None,
    }
}

fn given(text: impl Into<String>) -> Given {
    // The place in the JSON file interests nobody later.
    Given { text: text.into(), origin: Origin::File(0..0) }
}

fn take_text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    match map.remove(key)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn take_bool(map: &mut Map<String, Value>, key: &str) -> Option<bool> {
    map.remove(key)?.as_bool()
}

/// xmrig takes `//` and `/* */` comments; they become blanks, so that places in messages stay right.
fn without_comments(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut in_string = false;
    while let Some(letter) = letters.next() {
        match (in_string, letter, letters.peek()) {
            (true, '\\', Some(_)) => {
                cleaned.push(letter);
                cleaned.extend(letters.next());
            }
            (_, '"', _) => {
                in_string = !in_string;
                cleaned.push(letter);
            }
            (false, '/', Some('/')) => while letters.next_if(|&letter| letter != '\n').is_some() {},
            (false, '/', Some('*')) => {
                letters.next();
                let mut last = ' ';
                for letter in letters.by_ref() {
                    if letter == '\n' {
                        cleaned.push('\n');
                    }
                    if last == '*' && letter == '/' {
                        break;
                    }
                    last = letter;
                }
            }
            _ => cleaned.push(letter),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(text: &str) -> Translation {
        translate(&Source::new("config.json", text.to_owned())).unwrap()
    }

    #[test]
    fn comments_are_blanked_outside_of_strings() {
        let text = "{ // one\n \"a\": \"x//y\", /* two\n */ \"b\": \"\\\"/*\" }";
        let parsed: Value = serde_json::from_str(&without_comments(text)).unwrap();
        assert_eq!(parsed["a"], "x//y");
        assert_eq!(parsed["b"], "\"/*");
        for unclosed in ["/*", "\"", "/", "\\", "{ // x"] {
            assert!(without_comments(unclosed).len() <= unclosed.len());
        }
    }

    #[test]
    fn profiles_of_threads() {
        for (json, threads) in [
            ("[0, 2, 4]", Some("0,2,4,")),
            ("[-1, -1]", Some("2")),
            ("[[1, 0], [1, 2]]", Some("0,2,")),
            ("{\"intensity\": 1, \"threads\": 8, \"affinity\": -1}", Some("8")),
            ("3", Some("3")),
            ("[]", None),
            ("[\"x\"]", None),
            ("false", None),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(super::threads(&value).as_deref(), threads, "{json}");
        }
    }

    #[test]
    fn pools_keep_what_they_say() {
        let translation = translated(
            r#"{"pools": [
                {"url": "pool.example:443", "user": "w", "pass": "x", "tls": true, "keepalive": true,
                 "nicehash": false, "coin": "monero", "socks5": "127.0.0.1:9050", "sni": false},
                {"url": "off.example:1", "enabled": false},
                {"url": "127.0.0.1:18081", "daemon": true, "self-select": "x"}
            ], "background": true, "autosave": true}"#,
        );
        let pools = &translation.layer.pools;
        let text = |pool: usize, setting| pools[pool].get(&setting).map(|given: &Given| given.text.as_str());
        assert_eq!(pools.len(), 2);
        assert_eq!(text(0, Setting::Pool), Some("stratum+tls://pool.example:443"));
        assert_eq!(text(0, Setting::Proxy), Some("socks5://127.0.0.1:9050"));
        assert_eq!(text(0, Setting::Keepalive), Some("on"));
        assert_eq!(text(0, Setting::Nicehash), None);
        assert_eq!(text(1, Setting::Pool), Some("daemon+http://127.0.0.1:18081"));
        assert_eq!(translation.layer.values[&Setting::Algo].text, "randomx");
        assert_eq!(translation.losses.len(), 3, "{:?}", translation.losses);
        assert_eq!(translation.dropped, ["pools.sni", "autosave"]);
    }

    #[test]
    fn other_files_are_refused_without_repeating_them() {
        for text in ["", "[]", "{}", "{\"pools\": 1}", "{\"pools\": [1]}", "{\"pass\": hunter2}"] {
            let problem = translate(&Source::new("config.json", text.to_owned())).unwrap_err();
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }
}
