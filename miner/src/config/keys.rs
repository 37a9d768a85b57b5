//! Every setting by name: one row says its flag, its environment variable, its key in the file and its help.
//!
//! Command line, environment, file, `config show` and `config init` are all driven by [`KEYS`], so a new
//! setting is one row here, one field of [`super::Settings`] and one line where it is resolved.

/// A setting, whatever it was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described by its row of KEYS")]
pub enum Setting {
    Algo,
    Pool,
    User,
    Pass,
    PassFile,
    RpcCookie,
    UserPass,
    Worker,
    UserIsAccount,
    Tls,
    TlsPin,
    TlsTrust,
    Proxy,
    Nicehash,
    Keepalive,
    Redirect,
    VersionMask,
    VersionBits,
    ExtranonceSubscribe,
    ApplyExtranonce,
    SuggestDifficulty,
    Pipeline,
    RandomxV2ByVersion,
    Daemon,
    Devices,
    Threads,
    Affinity,
    Intensity,
    HugePages,
    RandomxMode,
    RandomxEngine,
    RandomxLanes,
    RandomxRetune,
    CpuKernel,
    GpuKernel,
    Ui,
    StatsInterval,
    LogFile,
    LogFormat,
    ApiBind,
    ApiTokenFile,
    ApiToken,
    ApiAllowOrigin,
    ApiAllowHost,
    TempLimit,
    TempResume,
    PowerCap,
    PauseOn,
    Schedule,
    Quiet,
    AlertCommand,
    AlertWebhook,
    AlertOn,
    AlertAfter,
    AlertEvery,
    DryRun,
    WatchdogTest,
    TimeLimit,
    Retries,
}

/// What a setting is about. Commands take whole groups; help shows them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What to compute.
    Algorithm,
    /// Where to mine, and as whom.
    Pool,
    /// How to get there.
    Connection,
    /// What to compute with.
    Device,
    /// What to see of it.
    Watching,
    /// How to keep the machine safe.
    Safety,
    /// When to stop.
    Running,
}

impl Group {
    /// Heading in the help.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Algorithm | Self::Pool => "Work",
            Self::Connection => "Connection",
            Self::Device => "Devices",
            Self::Watching => "Watching",
            Self::Safety => "Safety and power",
            Self::Running => "Running",
        }
    }
}

/// The form that a setting has in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A string.
    Text,
    /// `true`, `false`, or for three-way settings `"auto"`.
    Switch,
    /// A whole number, or a word that stands for one.
    Number,
    /// A whole number, a word, or a list of whole numbers.
    NumberOrList,
    /// A string, or a list of strings; on the command line the flag may be repeated.
    List,
}

/// One row of [`KEYS`].
#[derive(Debug)]
pub struct Key {
    /// Which setting this is.
    pub setting: Setting,
    /// What it is about.
    pub group: Group,
    /// Long flag without the dashes; also the identifier of the argument.
    pub flag: &'static str,
    /// Short flag.
    pub short: Option<char>,
    /// Other long flags; the first is shown.
    pub aliases: &'static [&'static str],
    /// What the value is called in the help; `None` for switches.
    pub value: Option<&'static str>,
    /// Words that are taken, where only a few are.
    pub words: &'static [&'static str],
    /// Dotted key in the file, `None` where a file may not set it.
    pub file: Option<&'static str>,
    /// Form in the file.
    pub form: Form,
    /// Whether each pool may have its own.
    pub per_pool: bool,
    /// Whether `RMINER_…` may set it.
    pub env: bool,
    /// Whether messages must hide the value.
    pub secret: bool,
    /// Whether help leaves it out.
    pub hidden: bool,
    /// Why the command line does not take it, where it does not.
    pub no_flag: Option<&'static str>,
    /// Whether it may be given several times, which adds up to a list.
    pub repeats: bool,
    /// What happens without it, as text; empty when it goes without saying.
    pub default: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Further lines for the long help and for the comments of a new file.
    pub more: &'static str,
}

impl Key {
    /// The row of a setting.
    pub fn of(setting: Setting) -> &'static Self {
        // Every variant has a row; a test says so, and the first row is as good as any if one were missing.
        KEYS.iter().find(|key| key.setting == setting).unwrap_or(&KEYS[0])
    }

    /// Name of the environment variable, if there is one.
    pub fn env_name(&self) -> Option<String> {
        self.env.then(|| format!("RMINER_{}", self.flag.replace('-', "_").to_uppercase()))
    }

    /// Last part of the key in the file.
    pub fn file_name(&self) -> Option<&'static str> {
        self.file.map(|path| path.rsplit('.').next().unwrap_or(path))
    }

    const fn new(setting: Setting, group: Group, flag: &'static str, help: &'static str) -> Self {
        Self {
            setting,
            group,
            flag,
            short: None,
            aliases: &[],
            value: None,
            words: &[],
            file: None,
            form: Form::Text,
            per_pool: false,
            env: true,
            secret: false,
            hidden: false,
            no_flag: None,
            repeats: false,
            default: "",
            help,
            more: "",
        }
    }

    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn value(mut self, name: &'static str) -> Self {
        self.value = Some(name);
        self
    }

    const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    const fn switch(mut self) -> Self {
        self.form = Form::Switch;
        self.words = SWITCH;
        self
    }

    const fn file(mut self, key: &'static str, form: Form) -> Self {
        self.file = Some(key);
        self.form = form;
        self
    }

    const fn per_pool(mut self) -> Self {
        self.per_pool = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn no_env(mut self) -> Self {
        self.env = false;
        self
    }

    const fn no_flag(mut self, why: &'static str) -> Self {
        self.no_flag = Some(why);
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self.env = false;
        self
    }

    const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    const fn more(mut self, more: &'static str) -> Self {
        self.more = more;
        self
    }
}

const SWITCH: &[&str] = &["on", "off"];
const TOGGLE: &[&str] = &["auto", "on", "off"];

/// All settings, in the order of help and file.
pub const KEYS: &[Key] = &[
    Key::new(Setting::Algo, Group::Algorithm, "algo", "Algorithm to mine; `rminer algos` lists them")
        .short('a')
        .aliases(&["algorithm", "coin"])
        .value("ALGO")
        .file("algo", Form::Text)
        .default("randomx")
        .more("Every usual spelling is taken, such as rx/0 or the name of the coin."),
    Key::new(Setting::Pool, Group::Pool, "pool", "Pool to mine to; repeat it to add fallback pools in order")
        .short('o')
        .aliases(&["url", "server"])
        .value("URL")
        .file("pool.url", Form::Text)
        .more(
            "stratum+tcp://HOST:PORT, stratum+tls://HOST:PORT (encrypted), or for solo mining with your own node \
             daemon+http://HOST:PORT (Monero), gbt+http://HOST:PORT (Bitcoin) or kaspad://HOST:PORT (Kaspa; its \
             gRPC port, 16110 on mainnet). Without a scheme the connection is plain. Options of a pool (--user, \
             --pass, --worker, --tls, ...) belong to the --pool before them, or to all pools when they stand \
             before the first.",
        ),
    Key::new(Setting::User, Group::Pool, "user", "Wallet address or pool account")
        .short('u')
        .aliases(&["wallet", "username"])
        .value("NAME")
        .file("user", Form::Text)
        .per_pool()
        .more("Addresses of Monero, Kaspa and Bitcoin's kin are checked offline before anything starts."),
    Key::new(Setting::Pass, Group::Pool, "pass", "Pool password")
        .short('p')
        .aliases(&["password"])
        .value("WORD")
        .file("pass", Form::Text)
        .per_pool()
        .secret()
        .default("x")
        .more("Others can see a command line; RMINER_PASS and --pass-file keep a password to yourself."),
    Key::new(Setting::PassFile, Group::Pool, "pass-file", "File whose first line is the pool password")
        .aliases(&["password-file"])
        .value("FILE")
        .file("pass_file", Form::Text)
        .per_pool(),
    Key::new(Setting::RpcCookie, Group::Pool, "rpc-cookie", "File in which your own Bitcoin node writes its login")
        .aliases(&["rpccookiefile", "node-cookie"])
        .value("FILE")
        .file("rpc_cookie", Form::Text)
        .per_pool()
        .more("For gbt+http:// only; bitcoind's is ~/.bitcoin/.cookie. It is read again whenever the node asks for a login."),
    Key::new(Setting::UserPass, Group::Pool, "userpass", "User and password in one, as USER:PASS")
        .short('O')
        .value("USER:PASS")
        .no_env()
        .per_pool()
        .secret(),
    Key::new(Setting::Worker, Group::Pool, "worker", "Name of this rig at the pool")
        .short('w')
        .aliases(&["rig-id"])
        .value("NAME")
        .file("worker", Form::Text)
        .per_pool(),
    Key::new(
        Setting::UserIsAccount,
        Group::Pool,
        "user-is-account",
        "Do not check --user: the pool wants an account name",
    )
    .file("user_is_account", Form::Switch)
    .words(SWITCH)
    .per_pool()
    .default("off"),
    Key::new(Setting::Tls, Group::Connection, "tls", "Encrypt the connection, whatever the URL says")
        .aliases(&["ssl"])
        .words(SWITCH)
        .file("tls", Form::Switch)
        .per_pool()
        .more("The server's certificate is verified; see --tls-pin and --tls-trust for pools that have none."),
    Key::new(Setting::TlsPin, Group::Connection, "tls-pin", "Accept exactly the certificate with this SHA-256")
        .aliases(&["tls-fingerprint"])
        .value("HEX")
        .file("tls_pin", Form::Text)
        .per_pool()
        .more("When a certificate cannot be verified, the message shows the pin to paste here."),
    Key::new(Setting::TlsTrust, Group::Connection, "tls-trust", "Which certificates to trust")
        .value("HOW")
        .words(&["ca", "tofu"])
        .file("tls_trust", Form::Text)
        .per_pool()
        .default("ca")
        .more(
            "ca: those of known authorities. tofu (trust on first use): an unknown one is remembered, and from \
             then on no other is taken.",
        ),
    Key::new(Setting::Proxy, Group::Connection, "proxy", "SOCKS5 proxy, such as socks5://127.0.0.1:9050 for Tor")
        .short('x')
        .value("URL")
        .file("proxy", Form::Text)
        .per_pool()
        .default("off")
        .more("Names of pools are resolved by the proxy. `off` goes there directly."),
    Key::new(Setting::Nicehash, Group::Connection, "nicehash", "A part of the nonce belongs to the pool")
        .words(TOGGLE)
        .file("nicehash", Form::Switch)
        .per_pool()
        .default("auto")
        .more("Normally seen from the pool's messages."),
    Key::new(Setting::Keepalive, Group::Connection, "keepalive", "Send a sign of life in silence")
        .short('k')
        .words(TOGGLE)
        .file("keepalive", Form::Switch)
        .per_pool()
        .default("auto")
        .more("Normally done where the pool allows it."),
    Key::new(
        Setting::Redirect,
        Group::Connection,
        "redirect",
        "Where the pool may send us: same-host, same-domain or any",
    )
    .value("WHERE")
    .words(&["same-host", "same-domain", "any"])
    .file("redirect", Form::Text)
    .per_pool()
    .default("same-host")
    .more("Another host is only followed over TLS with a verified certificate."),
    Key::new(Setting::VersionMask, Group::Connection, "version-mask", "Bitcoin: version bits to ask the pool for")
        .value("HEX")
        .file("version_mask", Form::Text)
        .per_pool()
        .default("1fffe000")
        .more("0 asks for none. Bits 29 to 31 cannot be asked for; some coins give others a meaning as well."),
    Key::new(
        Setting::VersionBits,
        Group::Connection,
        "version-bits",
        "Bitcoin: how shares tell the version that was hashed",
    )
    .value("HOW")
    .words(&["bip310", "xor"])
    .file("version_bits", Form::Text)
    .per_pool()
    .default("bip310")
    .more("A pool that refuses shares for it is tried the other way, once."),
    Key::new(
        Setting::ExtranonceSubscribe,
        Group::Connection,
        "extranonce-subscribe",
        "Bitcoin: ask for extranonce changes without a reconnect",
    )
    .words(TOGGLE)
    .file("extranonce_subscribe", Form::Switch)
    .per_pool()
    .default("auto")
    .more("auto: at NiceHash, and where the address ends in #xnsub. Changes are followed in any case."),
    Key::new(
        Setting::ApplyExtranonce,
        Group::Connection,
        "apply-extranonce",
        "Bitcoin: which job is the first with a new extranonce",
    )
    .value("WHEN")
    .words(&["next-job", "now"])
    .file("apply_extranonce", Form::Text)
    .per_pool()
    .default("next-job"),
    Key::new(
        Setting::SuggestDifficulty,
        Group::Connection,
        "suggest-difficulty",
        "Bitcoin: share difficulty to ask the pool for",
    )
    .value("N")
    .file("suggest_difficulty", Form::Number)
    .per_pool()
    .more("Many pools ignore it, some take whole numbers only."),
    Key::new(Setting::Pipeline, Group::Connection, "pipeline", "Bitcoin: log in with one round trip")
        .words(SWITCH)
        .file("pipeline", Form::Switch)
        .per_pool()
        .default("on")
        .more("A few old servers want each request only after the answer to the one before."),
    Key::new(
        Setting::RandomxV2ByVersion,
        Group::Connection,
        "randomx-v2-by-block-version",
        "Monero node: blocks of version 17 and later are hashed by RandomX v2",
    )
    .words(SWITCH)
    .file("randomx_v2_by_block_version", Form::Switch)
    .per_pool()
    .default("off")
    .more(
        "Off because no version is decided yet: 17 is only planned to bring RandomX v2, and a chain on which it \
         does not would refuse every block. Pools name the algorithm and need no switch.",
    ),
    Key::new(Setting::Daemon, Group::Connection, "daemon", "The pool is a Monero node: daemon+http://")
        .per_pool()
        .switch()
        .hidden(),
    Key::new(Setting::Devices, Group::Device, "devices", "Devices to use: cpu, gpu, all, or ids such as cpu0,gpu1")
        .short('d')
        .value("LIST")
        .file("devices", Form::Text)
        .default("auto")
        .more("`software` adds Vulkan drivers that compute on the CPU: slow, for trying things out."),
    Key::new(Setting::Threads, Group::Device, "threads", "CPU threads")
        .short('t')
        .aliases(&["cpu-threads"])
        .value("N")
        .file("cpu.threads", Form::NumberOrList)
        .default("auto")
        .more(
            "auto: from caches and topology. A list such as 0,2,4 pins one thread to each of these processors.",
        ),
    Key::new(Setting::Affinity, Group::Device, "affinity", "Processors to pin threads to: 0,2,4-7 or a hex mask")
        .aliases(&["cpu-affinity"])
        .value("LIST")
        .file("cpu.affinity", Form::NumberOrList)
        .default("auto"),
    Key::new(Setting::Intensity, Group::Device, "intensity", "How much to use, 1 to 10; lower leaves more to you")
        .short('i')
        .value("N")
        .file("cpu.intensity", Form::Number)
        .default("10")
        .more("CPU: tenths of the threads that fit. Mining threads always have low priority."),
    Key::new(Setting::HugePages, Group::Device, "huge-pages", "Huge pages for RandomX")
        .value("MODE")
        .words(&["auto", "on", "off", "1g"])
        .file("cpu.huge_pages", Form::Text)
        .default("auto")
        .more("auto: if there are any. on: not without. off: do not ask, do not warn. 1g: pages of 1 GiB."),
    Key::new(Setting::RandomxMode, Group::Device, "randomx-mode", "RandomX with its 2080 MiB dataset or without")
        .value("MODE")
        .words(&["auto", "fast", "light"])
        .file("cpu.randomx_mode", Form::Text)
        .default("auto")
        .more("light needs 256 MiB and is several times slower."),
    Key::new(Setting::RandomxEngine, Group::Device, "randomx-engine", "Who computes RandomX hashes")
        .value("NAME")
        .words(&["auto", "native", "reference"])
        .file("cpu.randomx_engine", Form::Text)
        .default("auto")
        .more(
            "native: our own engine. reference: the C library of RandomX's author, slower to start, rx/0 only. auto: \
             native where it compiles programs for this processor.",
        ),
    Key::new(Setting::RandomxLanes, Group::Device, "randomx-lanes", "RandomX hashes that a thread computes at once")
        .value("NUMBER")
        .words(&["auto", "1", "2", "3"])
        .file("cpu.randomx_lanes", Form::Number)
        .default("auto")
        .more(
            "auto: the fastest by a measurement while mining begins, which is remembered for this processor; \
             `rminer devices -v` shows it. Each lane takes 2 MiB for each thread.",
        ),
    Key::new(Setting::RandomxRetune, Group::Device, "randomx-retune", "Measure anew what --randomx-lanes auto remembers")
        .switch()
        .no_env(),
    Key::new(Setting::CpuKernel, Group::Device, "cpu-kernel", "Instructions that hash on the CPU")
        .value("NAME")
        .words(&["auto", "avx512", "sha-ni", "avx2", "scalar"])
        .file("cpu.kernel", Form::Text)
        .default("auto")
        .more("auto: the fastest that this processor has and that passes its self-test. RandomX has one only."),
    Key::new(Setting::GpuKernel, Group::Device, "gpu-kernel", "Kernel that hashes on GPUs")
        .value("NAME")
        .file("gpu.kernel", Form::Text)
        .default("auto")
        .more(
            "auto: the fastest by a measurement of two seconds, which is remembered for this card and driver; \
             `rminer devices -v` shows it.",
        ),
    Key::new(Setting::Ui, Group::Watching, "ui", "What to print while mining")
        .value("KIND")
        .words(&["auto", "full", "lines", "json", "quiet"])
        .file("ui", Form::Text)
        .default("auto")
        .more(
            "full is a screen of its own, as `rminer top` shows it; auto and lines print a line for each event; quiet \
             prints the start banner, warnings and errors. On a terminal keys are taken: ? lists them.",
        ),
    Key::new(Setting::StatsInterval, Group::Watching, "stats-interval", "Time between hashrate lines")
        .aliases(&["print-time"])
        .value("TIME")
        .file("stats_interval", Form::Number)
        .default("60s")
        .more("A number is seconds. `off` prints none."),
    Key::new(Setting::LogFile, Group::Watching, "log-file", "Append the log to this file as well")
        .short('l')
        .value("FILE")
        .file("log.file", Form::Text),
    Key::new(Setting::LogFormat, Group::Watching, "log-format", "Form of the log")
        .value("FORM")
        .words(&["text", "json"])
        .file("log.format", Form::Text)
        .default("text"),
    Key::new(Setting::ApiBind, Group::Watching, "api-bind", "Address of the interface for status and metrics; `off` closes it")
        .short('b')
        .value("ADDRESS:PORT")
        .file("api.bind", Form::Text)
        .default("127.0.0.1:4077")
        .more(
            "Without a wish for another one, mining goes on without it when the address is taken. Where other \
             machines can reach it, reading needs the token too.",
        ),
    Key::new(Setting::ApiTokenFile, Group::Watching, "api-token-file", "File whose first line is the interface's token")
        .value("FILE")
        .file("api.token_file", Form::Text)
        .more(
            "Without it, rminer makes a token of its own at the first start and keeps it as `api-token` in its \
             state folder, readable by you alone. RMINER_API_TOKEN gives the token itself.",
        ),
    Key::new(Setting::ApiToken, Group::Watching, "api-token", "Token of the interface")
        .secret()
        .no_flag("others can read a command line: write the token to a file for --api-token-file, or set RMINER_API_TOKEN"),
    Key::new(Setting::ApiAllowOrigin, Group::Watching, "api-allow-origin", "Web page that may use the interface, such as https://example.org")
        .value("ORIGIN")
        .file("api.allow_origin", Form::List)
        .more("Repeat it for more. Requests from the pages of all other sites are refused."),
    Key::new(Setting::ApiAllowHost, Group::Watching, "api-allow-host", "Name by which this machine may be asked, such as rig01.lan")
        .value("NAME")
        .file("api.allow_host", Form::List)
        .more(
            "Repeat it for more. Names of loopback and the address that was asked always count; other names are \
             refused, since a hostile page could have made them up.",
        ),
    Key::new(Setting::TempLimit, Group::Safety, "temp-limit", "Pause a device at this temperature in C; before, it slows down")
        .aliases(&["temp-stop"])
        .value("C")
        .file("safety.temp_limit", Form::Number)
        .repeats()
        .default("auto")
        .more(
            "85, a pair of resume and pause such as 75-85, or one for each: gpu0=80,cpu=85,gpu.memory=95. It holds for \
             a GPU's core and a CPU's package; memory and hotspot have limits of their own. Without it they follow \
             what the driver says of the hardware, else what is usual. From 5 C below it on less is hashed. `off` \
             keeps no limit.",
        ),
    Key::new(Setting::TempResume, Group::Safety, "temp-resume", "Resume it below this temperature in C")
        .aliases(&["temp-start"])
        .value("C")
        .file("safety.temp_resume", Form::Number)
        .repeats()
        .default("auto")
        .more("Written as --temp-limit. Without it, 10 C below the limit."),
    Key::new(Setting::PowerCap, Group::Safety, "power-cap", "Keep all devices together under this many watts")
        .value("W")
        .file("safety.power_cap", Form::Number)
        .default("off")
        .more("By hashing less. What a device draws has to be known for it; the first report of a start says of which it is not."),
    Key::new(Setting::PauseOn, Group::Safety, "pause-on", "When to pause: battery or never")
        .value("WHEN")
        .words(&["battery", "never"])
        .file("safety.pause_on", Form::Text)
        .repeats()
        .default("battery")
        .more("battery: while the machine runs on it, and while it is hotter than 40 C."),
    Key::new(Setting::Schedule, Group::Safety, "schedule", "Mine only in these hours, such as \"mon-fri 22:00-06:00; sat,sun\"")
        .value("RULE")
        .file("safety.schedule", Form::Text)
        .default("always")
        .more("In local time. Hours that end before they begin go on into the next day."),
    Key::new(Setting::Quiet, Group::Safety, "quiet-percent", "How much of the time devices hash in the quiet profile, in percent")
        .value("PERCENT")
        .file("safety.quiet", Form::Number)
        .default("40")
        .more("It holds when someone asks for it, on the page or with a key of the screen."),
    Key::new(Setting::AlertCommand, Group::Watching, "alert-command", "Program that gets each alert as JSON on its standard input")
        .value("COMMAND")
        .file("alert.command", Form::Text)
        .secret() // Its arguments may hold a token.
        .more(
            "Words are divided at spaces, and no shell reads them. It has 10 s, and no environment but PATH, HOME and LANG. \
             `rminer alert test` tries it out.",
        ),
    Key::new(Setting::AlertWebhook, Group::Watching, "alert-webhook", "Web address that gets each alert as JSON with a `text`")
        .value("URL")
        .file("alert.webhook", Form::Text)
        .secret()
        .more(
            "https:// or http://, as chats give them out. Whoever has the address can write there, and others can see a \
             command line: RMINER_ALERT_WEBHOOK and the file keep it to yourself.",
        ),
    Key::new(Setting::AlertOn, Group::Watching, "alert-on", "What to tell of")
        .value("LIST")
        .file("alert.on", Form::List)
        .default("all")
        .more(
            "all, or of: device, hung, no-pool, no-share, refused, heat, safety-stop, disk, block, ended. What is over is \
             told as well.",
        ),
    Key::new(Setting::AlertAfter, Group::Watching, "alert-after", "Tell of no pool, or no share, after this long")
        .value("TIME")
        .file("alert.after", Form::Number)
        .default("10m")
        .more("Where shares are rare by nature, it takes ten times what is expected."),
    Key::new(Setting::AlertEvery, Group::Watching, "alert-every", "Least time between two alerts of a kind")
        .value("TIME")
        .file("alert.every", Form::Number)
        .default("15m"),
    Key::new(
        Setting::DryRun,
        Group::Running,
        "dry-run",
        "Check everything that can be checked without mining, then exit",
    )
    .switch()
    .no_env(),
    Key::new(
        Setting::WatchdogTest,
        Group::Running,
        "watchdog-test",
        "Make a worker hang on purpose, to see what becomes of it",
    )
    .switch()
    .hidden(),
    Key::new(Setting::TimeLimit, Group::Running, "time-limit", "Stop after this long, such as 90s, 2h")
        .value("TIME")
        .file("time_limit", Form::Number)
        .default("never"),
    Key::new(Setting::Retries, Group::Running, "retries", "Give up after N failed rounds through all pools")
        .short('r')
        .value("N")
        .file("retries", Form::Number)
        .default("never"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_setting_has_one_row_and_names_of_its_own() {
        for key in KEYS {
            assert_eq!(Key::of(key.setting).flag, key.flag);
        }
        let settings: BTreeSet<_> = KEYS.iter().map(|key| key.setting).collect();
        assert_eq!(settings.len(), KEYS.len());
        assert_eq!(settings.len(), Setting::Retries as usize + 1, "a setting without a row");
        let flags: Vec<_> = KEYS.iter().flat_map(|key| key.aliases.iter().chain([&key.flag])).collect();
        assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len(), "{flags:?}");
        let shorts: Vec<_> = KEYS.iter().filter_map(|key| key.short).collect();
        assert_eq!(shorts.iter().collect::<BTreeSet<_>>().len(), shorts.len(), "{shorts:?}");
        let files: Vec<_> = KEYS.iter().filter_map(|key| key.file).collect();
        assert_eq!(files.iter().collect::<BTreeSet<_>>().len(), files.len(), "{files:?}");
    }

    #[test]
    fn what_may_hold_a_token_is_a_secret() {
        for setting in [Setting::Pass, Setting::ApiToken, Setting::AlertCommand, Setting::AlertWebhook] {
            assert!(Key::of(setting).secret, "{setting:?}");
        }
    }

    #[test]
    fn environment_names_follow_the_flags() {
        assert_eq!(Key::of(Setting::TlsPin).env_name().as_deref(), Some("RMINER_TLS_PIN"));
        assert_eq!(Key::of(Setting::UserPass).env_name(), None);
        assert_eq!(Key::of(Setting::LogFile).file_name(), Some("file"));
    }
}
