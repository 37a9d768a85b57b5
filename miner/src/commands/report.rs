//! `rminer report`

use std::io::{BufRead, IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Value, json};

use super::remote::{Interface, runtime};
use super::{devices, doctor};
use crate::cli::{Context, DoctorArgs, ReportArgs};
use crate::clock::unix_seconds;
use crate::config::keys::Setting;
use crate::config::{Layer, Pools, Settings};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Bundle, Scrubber};
use crate::setup::Places;
use crate::telemetry::roots::read;

/// What is taken of the end of a log, in bytes.
const LOG_TAIL_BYTES: u64 = 128 << 10;
/// What is taken of a file of the kernel's, in lines.
const MAX_LINES: usize = 60;
/// What a running miner is asked: name of the section, and where.
const ASKED: [(&str, &str); 7] = [
    ("status", "/api/v1/status"),
    ("pools", "/api/v1/pools"),
    ("shares", "/api/v1/shares"),
    ("events", "/api/v1/events"),
    ("explain_24h", "/api/v1/explain?since=86400"),
    ("rate_24h", "/api/v1/history?metric=raw_hs&step=300"),
    ("running_config", "/api/v1/config"),
];

/// What was written, for `--json`.
#[derive(Serialize)]
struct Written {
    file: PathBuf,
    sections: Vec<Section>,
}

#[derive(Serialize)]
struct Section {
    name: &'static str,
    bytes: usize,
}

/// Gathers, shows what is inside, and writes it where that is wanted.
pub(super) fn run(args: &ReportArgs, context: &Context<'_>) -> Exit {
    let path = args.output.clone().unwrap_or_else(usual_name);
    if path.exists() {
        let problem =
            Problem::error("file-exists", format!("{} exists and is not overwritten", path.display()));
        context.report(&[problem.help("name another file: --output FILE")]);
        return Exit::Usage;
    }
    let bundle = gather(args, context);
    let sections = bundle.contents().into_iter().map(|(name, bytes)| Section { name, bytes });
    let written = Written { sections: sections.collect(), file: path };
    if !context.globals().json {
        let mut text = "The report holds:\n".to_owned();
        for Section { name, bytes } in &written.sections {
            text.push_str(&format!("  {name:<16} {bytes:>8} bytes\n"));
        }
        text.push_str(
            "Passwords, tokens and logins are replaced, wallets are shortened. Nothing is sent anywhere.\n",
        );
        if context.print(&text) != Exit::Done {
            return Exit::Failed;
        }
    }
    if !args.yes {
        match confirmed(context, &written.file) {
            Ok(true) => {}
            Ok(false) => return context.print("Nothing was written.\n"),
            Err(problem) => return context.fail(&[problem]),
        }
    }
    if let Err(error) = bundle.write(&written.file) {
        let summary = format!("{} cannot be written: {error}", written.file.display());
        context.report(&[Problem::error("output", summary).help("name another file: --output FILE")]);
        return Exit::Failed;
    }
    if context.globals().json {
        return context.print_json(&written);
    }
    context.print(&format!(
        "Written to {} for you alone (mode 0600). Read it before you pass it on.\n",
        written.file.display()
    ))
}

fn usual_name() -> PathBuf {
    let now = crate::api::rfc3339(unix_seconds());
    let digits: String = now.chars().take(19).filter(char::is_ascii_digit).collect();
    format!("rminer-report-{digits}.json").into()
}

/// Asks on a terminal; elsewhere nobody can answer.
fn confirmed(context: &Context<'_>, path: &Path) -> Result<bool, Problem> {
    if !std::io::stdin().is_terminal() {
        let problem = Problem::error("needs-yes", "nobody can be asked whether to write the report");
        return Err(problem.help("say --yes to write it"));
    }
    let _ = context.print(&format!("Write it to {}? [y/N] ", path.display()));
    let mut answer = String::new();
    let read = std::io::stdin().lock().take(16).read_line(&mut answer);
    Ok(read.is_ok() && answer.trim().eq_ignore_ascii_case("y"))
}

fn gather(args: &ReportArgs, context: &Context<'_>) -> Bundle {
    let settings = context.read(Pools::Optional).map(|resolution| resolution.settings);
    let scrubber = scrubber(settings.as_ref().ok(), context);
    let places = Places::of_this_machine();
    let mut bundle = Bundle::default();
    let mut add = |name, value: &Value| bundle.add(name, value, &scrubber);
    add("about", &about());
    add("machine", &machine(&places));
    add("devices", &devices::found(context));
    let examined = doctor::here(&DoctorArgs { remote: args.remote.clone(), pools: false }, context);
    add("doctor", &serde_json::to_value(examined).unwrap_or_default());
    match &settings {
        Ok(settings) => {
            add("config", &serde_json::to_value(&settings.effective).unwrap_or_default());
            let warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
            add("warnings", &warnings.into());
            if let Some(lines) = settings.log.file.as_deref().and_then(tail) {
                add("log", &lines);
            }
        }
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            add("config_faults", &problems.into());
        }
    }
    for (name, answer) in running(args, context) {
        add(name, &answer);
    }
    bundle
}

/// Hides what the settings know to be secret.
fn scrubber(settings: Option<&Settings>, context: &Context<'_>) -> Scrubber {
    let mut scrubber = Scrubber::new((context.env())("HOME"));
    for name in ["RMINER_PASS", "RMINER_API_TOKEN"] {
        if let Some(secret) = (context.env())(name) {
            scrubber.hide(&secret);
        }
    }
    // As they were written, since a fault elsewhere leaves no settings.
    let layers = context.layers().0;
    for layer in [&layers.flags, &layers.env, &layers.file] {
        hide_alerts(layer, &mut scrubber);
    }
    let Some(settings) = settings else { return scrubber };
    for pool in &settings.pools {
        scrubber.hide(pool.credentials.pass.expose_secret());
    }
    if let Some(token) = &settings.api.token {
        scrubber.hide(token.expose_secret());
    }
    let usual = settings.state_folder.as_ref().map(|folder| folder.join("api-token"));
    if let Some(path) = settings.api.token_file.clone().or(usual)
        && let Ok((token, _)) = crate::config::secrets::read_first_line(&path)
    {
        scrubber.hide(token.expose_secret());
    }
    scrubber
}

/// Hides the arguments of an alert's command, and what follows the host of its web address.
fn hide_alerts(layer: &Layer, scrubber: &mut Scrubber) {
    let written = |setting| layer.values.get(&setting).map_or("", |given| given.text.as_str());
    for word in written(Setting::AlertCommand).split_whitespace().skip(1) {
        scrubber.hide(word);
        if let Some((_, value)) = word.split_once('=') {
            scrubber.hide(value);
        }
    }
    let (_, address) = written(Setting::AlertWebhook).split_once("://").unwrap_or_default();
    if let Some(host_end) = address.find(['/', '?']) {
        scrubber.hide(address[host_end + 1..].trim());
    }
}

fn about() -> Value {
    json!({
        "program": "rminer",
        "version": env!("CARGO_PKG_VERSION"),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "written": crate::api::rfc3339(unix_seconds()),
        "is_root": crate::doctor::is_root(),
    })
}

/// What the kernel says of itself, the processor and the memory.
fn machine(places: &Places) -> Value {
    let proc_ = &places.roots.proc_;
    let lines = |path: PathBuf, wanted: fn(&str) -> bool| -> Vec<String> {
        let text = read(&path).unwrap_or_default();
        text.lines().filter(|line| wanted(line)).take(MAX_LINES).map(str::to_owned).collect()
    };
    // Of all processors alike; serial numbers are not in it.
    let cpu = lines(proc_.join("cpuinfo"), |_| true);
    let first_unit: Vec<_> = cpu.into_iter().take_while(|line| !line.trim().is_empty()).collect();
    json!({
        "kernel": lines(proc_.join("version"), |_| true),
        "system": lines(places.etc.join("os-release"), |line| line.starts_with("PRETTY_NAME")),
        "processor": first_unit,
        "memory": lines(proc_.join("meminfo"), |line| {
            ["Mem", "Swap", "Huge", "AnonHuge"].iter().any(|start| line.starts_with(start))
        }),
        "load": lines(proc_.join("loadavg"), |_| true),
        "uptime_s": lines(proc_.join("uptime"), |_| true),
    })
}

/// The last lines of a log.
fn tail(path: &Path) -> Option<Value> {
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).lines().map(Value::from).collect())
}

/// What a running miner says; nothing where there is none.
fn running(args: &ReportArgs, context: &Context<'_>) -> Vec<(&'static str, Value)> {
    let asked = Interface::new(&args.remote, context).and_then(|interface| Ok((interface, runtime()?)));
    let Ok((interface, runtime)) = asked else { return Vec::new() };
    runtime.block_on(async {
        let mut answers = Vec::new();
        for (name, path) in ASKED {
            match interface.get(path).await {
                Ok(body) => answers.extend(serde_json::from_slice(&body).ok().map(|value| (name, value))),
                // Nobody is there to answer the next one.
                Err(problem) if problem.code == "no-miner" => break,
                Err(problem) => answers.push((name, problem.to_string().into())),
            }
        }
        answers
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Given, Origin};

    #[test]
    fn arguments_and_paths_of_alerts_are_hidden() {
        let mut layer = Layer::default();
        for (setting, text) in [
            (Setting::AlertCommand, "/usr/bin/tell --key hunter2 --token=swordfish"),
            (Setting::AlertWebhook, "https://hooks.example/services/T0/opensesame?key=a"),
        ] {
            let given = Given { text: text.into(), origin: Origin::Flag("x") };
            layer.values.insert(setting, given);
        }
        let mut scrubber = Scrubber::new(None);
        hide_alerts(&layer, &mut scrubber);
        let text = |text: &str| scrubber.text(text);
        assert_eq!(text("tell --key hunter2 --token=swordfish"), "tell *** *** ***");
        assert_eq!(text("it says: swordfish"), "it says: ***");
        let address = text("https://hooks.example/services/T0/opensesame?key=a");
        assert_eq!(address, "https://hooks.example/***");
    }
}
