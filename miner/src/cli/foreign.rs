//! Flags of other miners, mostly xmrig's: what somebody pastes should mine, and nothing be dropped in silence.

use clap::{Arg, ArgAction, ArgMatches};

use crate::api::USUAL_BIND;
use crate::config::keys::Setting;
use crate::problem::Problem;

/// A flag that rminer does not have under this name.
struct Foreign {
    flag: &'static str,
    short: Option<char>,
    takes: Takes,
    means: Means,
}

/// What stands behind a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// A value only with `=`.
    Perhaps,
}

/// What it comes to.
#[derive(Clone, Copy)]
enum Means {
    /// Nothing here, for this reason.
    Nothing(&'static str),
    /// Something that a later version may do.
    Later(&'static str),
    /// To leave it out would do something other than was asked for.
    Refused(&'static str),
    /// The same as one of our settings with this value.
    Is(Setting, &'static str),
    /// One of our settings, its value made of this flag's.
    Becomes(Setting, fn(&str) -> String),
    /// One of our settings, which should not stand on a command line.
    Visible(Setting),
    /// A part of the interface's address.
    Address,
}

const fn flag(flag: &'static str, takes: Takes, means: Means) -> Foreign {
    Foreign { flag, short: None, takes, means }
}

const fn short(short: char, flag: &'static str, takes: Takes, means: Means) -> Foreign {
    Foreign { flag, short: Some(short), takes, means }
}

use Means::{Address, Becomes, Is, Later, Nothing, Refused, Visible};
use Takes::{Nothing as Bare, Perhaps, Value};

const NO_FEE: Means = Nothing("rminer takes no fee");
const NO_TOKEN: &str =
    "others can read a command line: write the token to a file for --api-token-file, or set RMINER_API_TOKEN";
const HTTP_HOST: &str = "http-host";
const HTTP_PORT: &str = "http-port";
const NO_GPU: Means = Nothing("GPUs are used through Vulkan, Metal or DX12; `--devices` chooses among them");
const LIMIT: Means = Becomes(Setting::TempLimit, temperatures);
const RESUME: Means = Becomes(Setting::TempResume, temperatures);
const NO_BENCH_HERE: Means = Refused("use `rminer bench`");
const ONE_ALGORITHM: Means = Nothing("rminer mines one algorithm at a time");

const FOREIGN: &[Foreign] = &[
    flag("donate-level", Value, NO_FEE),
    flag("donate-over-proxy", Value, NO_FEE),
    // Connection.
    short('R', "retry-pause", Value, Nothing("rminer waits 0.5 to 30 seconds by itself")),
    flag("user-agent", Value, Nothing("rminer says what it is")),
    flag("sni", Bare, Nothing("the name is always sent")),
    flag("tls-sni", Bare, Nothing("the name is always sent")),
    flag("dns-ipv6", Bare, Nothing("all addresses of a name are tried")),
    flag("dns-ipv4", Bare, Nothing("all addresses of a name are tried")),
    flag("dns-ttl", Value, Nothing("names are looked up at each connection")),
    flag("daemon-poll-interval", Value, Nothing("a node is asked often enough")),
    flag("daemon-job-timeout", Value, Nothing("a node is asked often enough")),
    flag("daemon-zmq-port", Value, Nothing("a node is asked often enough")),
    flag("self-select", Value, Refused("taking block templates from another node is not in this version")),
    flag(
        "submit-to-origin",
        Bare,
        Refused("taking block templates from another node is not in this version"),
    ),
    flag("spend-secret-key", Value, Refused("rminer never takes the key of a wallet")),
    // RandomX and the processor.
    flag("no-huge-pages", Bare, Is(Setting::HugePages, "off")),
    flag("randomx-1gb-pages", Bare, Is(Setting::HugePages, "1g")),
    flag("hugepage-size", Value, Nothing("the system's size is used")),
    flag("huge-pages-jit", Perhaps, Nothing("the compiled programs are small")),
    flag("randomx-init", Value, Nothing("all mining threads build the dataset")),
    flag("randomx-no-numa", Bare, Nothing("a dataset on each NUMA node is never slower")),
    flag("randomx-wrmsr", Perhaps, Nothing("rminer needs no root rights and sets no processor registers")),
    flag("randomx-no-rdmsr", Bare, Nothing("rminer needs no root rights and sets no processor registers")),
    flag("randomx-cache-qos", Bare, Nothing("rminer needs no root rights and sets no processor registers")),
    flag("cpu-priority", Value, Nothing("mining threads always have low priority")),
    flag("cpu-max-threads-hint", Value, Becomes(Setting::Intensity, tenths)),
    flag("cpu-memory-pool", Value, Nothing("memory is asked for once, at the start")),
    flag("cpu-no-yield", Bare, Nothing("mining threads always have low priority")),
    flag("no-cpu", Bare, Refused("`--devices gpu` mines on GPUs only")),
    flag("asm", Value, Nothing("the fastest code for this processor is taken")),
    flag("av", Value, Nothing("the fastest code for this processor is taken")),
    flag("argon2-impl", Value, Nothing("it is for another algorithm")),
    flag("cn-7", Bare, Nothing("it is for another algorithm")),
    flag("bench-algo-time", Value, ONE_ALGORITHM),
    flag("rebench-algo", Bare, ONE_ALGORITHM),
    flag("algo-perf", Value, ONE_ALGORITHM),
    flag("algo-min-time", Value, ONE_ALGORITHM),
    // Devices.
    flag("opencl", Bare, NO_GPU),
    flag("opencl-devices", Value, NO_GPU),
    flag("opencl-platform", Value, NO_GPU),
    flag("opencl-loader", Value, NO_GPU),
    flag("opencl-no-cache", Bare, NO_GPU),
    flag("cuda", Bare, NO_GPU),
    flag("cuda-loader", Value, NO_GPU),
    flag("cuda-devices", Value, NO_GPU),
    flag("cuda-bfactor-hint", Value, NO_GPU),
    flag("cuda-bsleep-hint", Value, NO_GPU),
    flag("no-nvml", Bare, NO_GPU),
    flag("disable-gpu", Bare, Refused("`--devices cpu` mines on the CPU only")),
    // Watching.
    short('S', "syslog", Bare, Nothing("the log goes to standard error, where systemd picks it up")),
    flag("no-color", Bare, Nothing("")),
    flag("title", Perhaps, Nothing("the title of the window is left alone")),
    flag("no-title", Bare, Nothing("the title of the window is left alone")),
    flag("health-print-time", Value, Later("sensor readings")),
    flag("no-dmi", Bare, Nothing("memory modules are not looked at")),
    flag("http-enabled", Bare, Nothing("")),
    // These two make one address, see `address`.
    flag(HTTP_HOST, Value, Address),
    flag(HTTP_PORT, Value, Address),
    flag("http-access-token", Value, Visible(Setting::ApiToken)),
    flag("api-token", Value, Refused(NO_TOKEN)),
    flag(
        "http-no-restricted",
        Bare,
        Nothing("orders always need the token, and none changes pools or wallets"),
    ),
    flag("api-id", Value, Nothing("the interface shows the name that --worker gives")),
    flag("api-worker-id", Value, Nothing("the interface shows the name that --worker gives")),
    // Heat and power.
    flag("pause-on-battery", Bare, Is(Setting::PauseOn, "battery")),
    flag("pause-on-active", Perhaps, Later("pausing while somebody works at the machine")),
    flag("max-temp", Value, LIMIT),
    flag("temperature-limit", Value, LIMIT),
    flag("temp_limit", Value, LIMIT),
    flag("temp_stop", Value, LIMIT),
    flag("tstop", Value, LIMIT),
    flag("templimit", Value, LIMIT),
    flag("temperature-start", Value, RESUME),
    flag("temp_resume", Value, RESUME),
    flag("temp_start", Value, RESUME),
    flag("tstart", Value, RESUME),
    flag(
        "shutdown-temperature",
        Value,
        Refused("`--temp-limit` pauses devices; rminer never shuts a machine down"),
    ),
    flag("exit-on-high-power", Value, Refused("`--power-cap` keeps the devices under a number of watts")),
    // Running.
    short(
        'B',
        "background",
        Bare,
        Refused("rminer does not hide; run it as a service, in tmux, or with `&`"),
    ),
    flag("data-dir", Value, Nothing("rminer keeps no data of that kind")),
    flag("bench", Value, NO_BENCH_HERE),
    flag("benchmark", Bare, NO_BENCH_HERE),
    flag("stress", Bare, NO_BENCH_HERE),
    flag("submit", Bare, NO_BENCH_HERE),
    flag("print-platforms", Bare, Refused("use `rminer devices`")),
    flag("list-devices", Bare, Refused("use `rminer devices`")),
    flag("export-topology", Bare, Refused("use `rminer devices --json`")),
];

/// Hidden arguments for all of them.
pub(super) fn args() -> impl Iterator<Item = Arg> {
    FOREIGN.iter().map(|foreign| {
        let arg = Arg::new(foreign.flag).long(foreign.flag).action(ArgAction::Append).hide(true);
        let arg = match foreign.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        match foreign.takes {
            Takes::Nothing => arg.num_args(0..=1).require_equals(true).default_missing_value(""),
            Takes::Value => arg.allow_hyphen_values(true),
            Takes::Perhaps => arg.num_args(0..=1).require_equals(true).default_missing_value(""),
        }
    })
}

/// Whether an argument is one of them and says something that must not be lost.
pub(super) fn has(id: &str) -> bool {
    FOREIGN.iter().any(|foreign| foreign.flag == id && !matches!(foreign.means, Nothing("")))
}

/// What the flags of other miners came to.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Settings that they mean, with the flag, the value and its place on the command line.
    pub(super) settings: Vec<(Setting, &'static str, String, usize)>,
    /// A word on each that means nothing.
    pub(super) notes: Vec<Problem>,
    /// Those that must not be dropped.
    pub(super) refusals: Vec<Problem>,
}

/// Reads them from what was parsed.
pub(super) fn read(matches: &ArgMatches) -> Read {
    let mut read = Read::default();
    for Foreign { flag, means, .. } in FOREIGN {
        let Ok(Some(values)) = matches.try_get_many::<String>(flag) else { continue };
        let places = matches.indices_of(flag).into_iter().flatten();
        let note = |text: String| Problem::warning("flag-ignored", text);
        match means {
            Means::Nothing("") => {}
            Means::Nothing(why) => read.notes.push(note(format!("--{flag} does nothing here: {why}"))),
            Means::Later(what) => {
                read.notes.push(note(format!("--{flag} does nothing here: {what} is not in this version")));
            }
            Means::Refused(why) => {
                let problem = Problem::error("flag-refused", format!("--{flag} is not an option of rminer"));
                read.refusals.push(problem.help(*why));
            }
            Means::Is(setting, value) => {
                read.settings.extend(places.map(|place| (*setting, *flag, (*value).to_owned(), place)));
            }
            Means::Visible(setting) => {
                read.notes.push(
                    Problem::warning(
                        "visible-secret",
                        format!("others can read --{flag} in the list of processes"),
                    )
                    .help("write the token to a file for --api-token-file, or set RMINER_API_TOKEN"),
                );
                read.settings.extend(
                    values.cloned().zip(places).map(|(value, place)| (*setting, *flag, value, place)),
                );
            }
            Means::Address => {}
            Means::Becomes(setting, translate) => {
                let translated = values.zip(places);
                read.settings
                    .extend(translated.map(|(value, place)| (*setting, *flag, translate(value), place)));
            }
        }
    }
    read.settings.extend(address(matches));
    read
}

/// xmrig's host and port of its interface as one address; what is left out is as here without them.
fn address(matches: &ArgMatches) -> Option<(Setting, &'static str, String, usize)> {
    let last = |flag: &'static str| {
        let values = matches.try_get_many::<String>(flag).ok().flatten()?;
        values
            .zip(matches.indices_of(flag)?)
            .next_back()
            .map(|(value, place)| (flag, value.trim().to_owned(), place))
    };
    let (host, port) = (last(HTTP_HOST), last(HTTP_PORT));
    let (flag, _, place) = port.as_ref().or(host.as_ref())?.clone();
    let host = host.map_or_else(|| "127.0.0.1".to_owned(), |(_, host, _)| host);
    let port = port.map_or_else(|| USUAL_BIND.port().to_string(), |(_, port, _)| port);
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    Some((Setting::ApiBind, flag, format!("{host}:{port}"), place))
}

/// xmrig's share of threads in percent, as tenths.
fn tenths(percent: &str) -> String {
    match percent.trim().parse::<u32>() {
        Ok(percent @ 1..=100) => percent.div_ceil(10).to_string(),
        _ => percent.to_owned(),
    }
}

/// Other miners list temperatures by the number of the GPU, and some leave one out by `*` or `_`. Zero is off.
fn temperatures(text: &str) -> String {
    let one = |value: &str| if value == "0" { "off".to_owned() } else { value.to_owned() };
    let values: Vec<&str> = text.split(',').map(str::trim).collect();
    if let [single] = values[..] {
        return one(single);
    }
    let named = values.iter().enumerate().filter(|(_, value)| !["", "*", "_"].contains(value));
    named.map(|(gpu, value)| format!("gpu{gpu}={}", one(value))).collect::<Vec<_>>().join(",")
}
