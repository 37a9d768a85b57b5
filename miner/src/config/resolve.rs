//! Layers to [`Settings`]: precedence, checks, and all problems at once.

use super::alerts;
use super::keys::{Key, Setting};
use super::pools;
use super::raw::{Given, Layers, Origin};
use super::resolved::{
    CpuSettings, EffectiveSetting, GpuSettings, HugePages, LogFormat, LogSettings, RandomxEngine,
    RandomxMode, Settings, UiKind, When,
};
use super::safety;
use super::values::{self, Fault, Threads};
use crate::api::{ApiSettings, USUAL_BIND};
use crate::problem::Problem;

/// Whether a command can do without a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pools {
    /// It mines or talks to pools.
    Needed,
    /// Pools are not looked at.
    Ignored,
    /// It shows what there is.
    Optional,
}

/// Settings that only the command line has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Globals {
    /// Number of `-v`.
    pub verbosity: u8,
    /// `--color`.
    pub color: When,
    /// `--json`.
    pub json: bool,
}

/// A setting as `config show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Which one.
    pub setting: Setting,
    /// The pool it is about, counted from 0; `None` for those that hold in general.
    pub pool: Option<usize>,
    /// Its value as written or by default, secrets replaced.
    pub text: String,
    /// Where it comes from; `None` for a default.
    pub origin: Option<Origin>,
}

/// What the layers come to.
#[derive(Debug)]
pub struct Resolution {
    /// For the engine.
    pub settings: Settings,
    /// For people.
    pub shown: Vec<Shown>,
}

/// Everything that the layers say, checked.
///
/// # Errors
/// All problems.
pub fn resolve(layers: &Layers, need: Pools, globals: Globals) -> Result<Resolution, Vec<Problem>> {
    let mut resolver =
        Resolver { layers, problems: Vec::new(), warnings: layers.notes.clone(), shown: Vec::new() };
    let algorithm =
        resolver.take(Setting::Algo, values::algorithm).unwrap_or(&rminer_algos::registry::RANDOMX);
    // Of its many spellings, show the one that lists and messages have.
    resolver.shown.iter_mut().for_each(|shown| algorithm.name.clone_into(&mut shown.text));
    let pools = match need {
        Pools::Ignored => Vec::new(),
        Pools::Needed | Pools::Optional => pools::resolve(&mut resolver, algorithm, need == Pools::Needed),
    };
    let devices = resolver.take(Setting::Devices, values::devices).unwrap_or_default();
    let cpu = resolver.cpu();
    let gpu = GpuSettings {
        kernel: resolver.take(Setting::GpuKernel, |text| values::gpu_kernel(algorithm, text)).flatten(),
    };
    let ui = [
        ("auto", None),
        ("full", Some(UiKind::Full)),
        ("lines", Some(UiKind::Lines)),
        ("json", Some(UiKind::Json)),
        ("quiet", Some(UiKind::Quiet)),
    ];
    let ui = resolver.take(Setting::Ui, |text| values::word(text, &ui)).flatten();
    let ui = ui.unwrap_or(if globals.json { UiKind::Json } else { UiKind::Lines });
    let minute = Some(std::time::Duration::from_secs(60));
    let stats_interval = resolver.take(Setting::StatsInterval, |text| match text.trim() {
        "0" => Ok(None),
        text => values::time(text),
    });
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let log = LogSettings {
        file: resolver.take(Setting::LogFile, |text| Ok(layers.service.log_file(text.as_ref()))),
        format: resolver.take(Setting::LogFormat, |text| values::word(text, &formats)).unwrap_or_default(),
        verbosity: globals.verbosity,
    };
    let api = ApiSettings {
        is_wanted: resolver.is_given(Setting::ApiBind),
        bind: resolver.take(Setting::ApiBind, values::api_bind).unwrap_or(Some(USUAL_BIND)),
        token_file: resolver.take(Setting::ApiTokenFile, |text| Ok(text.into())),
        token: resolver.take(Setting::ApiToken, values::api_token),
        credential: layers.service.token.clone(),
        allow_origin: resolver.take(Setting::ApiAllowOrigin, values::origins).unwrap_or_default(),
        allow_host: resolver.take(Setting::ApiAllowHost, values::host_names).unwrap_or_default(),
    };
    let safety = safety::resolve(&mut resolver);
    let alerts = alerts::resolve(&mut resolver);
    let time_limit = resolver.take(Setting::TimeLimit, values::time).flatten();
    let retries = resolver.take(Setting::Retries, values::retries).flatten();
    let watchdog_test = resolver.take(Setting::WatchdogTest, values::switch).unwrap_or(false);
    let dry_run = resolver.take(Setting::DryRun, values::switch).unwrap_or(false);
    if !resolver.problems.is_empty() {
        return Err(resolver.problems);
    }
    let effective = effective(&resolver.shown, layers);
    let settings = Settings {
        algorithm,
        pools,
        devices,
        cpu,
        gpu,
        ui,
        color: globals.color,
        stats_interval: stats_interval.unwrap_or(minute),
        retries,
        time_limit,
        dry_run,
        log,
        api,
        safety,
        alerts,
        watchdog_test,
        state_folder: layers.state_folder.clone(),
        config_file: layers.source.as_ref().map(|source| source.path.clone()),
        service: layers.service.clone(),
        effective,
        warnings: resolver.warnings,
    };
    Ok(Resolution { settings, shown: resolver.shown })
}

/// What was given, and the defaults of the rest.
fn effective(shown: &[Shown], layers: &Layers) -> Vec<EffectiveSetting> {
    let set = shown.iter().filter(|shown| !shown.text.is_empty() || shown.origin.is_some());
    let row = |shown: &Shown| EffectiveSetting {
        key: Key::of(shown.setting).file.unwrap_or(Key::of(shown.setting).flag),
        pool: shown.pool.map(|pool| pool + 1),
        value: shown.text.clone(),
        origin: shown.origin.as_ref().map_or_else(|| "default".to_owned(), |origin| layers.place(origin)),
    };
    set.map(row).collect()
}

/// Collects problems while settings are taken.
pub(super) struct Resolver<'a> {
    pub(super) layers: &'a Layers,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    pub(super) shown: Vec<Shown>,
}

impl<'a> Resolver<'a> {
    /// A general setting, or `None` when nobody gave it or what was given is wrong.
    pub(super) fn take<T>(
        &mut self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let layers = self.layers;
        let given =
            [&layers.flags, &layers.env, &layers.file].into_iter().find_map(|l| l.values.get(&setting));
        self.show(setting, None, given);
        given.and_then(|given| self.parse(setting, given, parse))
    }

    /// Whether anybody gave a general setting.
    fn is_given(&self, setting: Setting) -> bool {
        [&self.layers.flags, &self.layers.env, &self.layers.file]
            .iter()
            .any(|layer| layer.values.contains_key(&setting))
    }

    pub(super) fn parse<T>(
        &mut self,
        setting: Setting,
        given: &Given,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        match parse(&given.text) {
            Ok(value) => Some(value),
            Err(fault) => {
                let code = if setting == Setting::Algo { "unknown-algorithm" } else { "bad-value" };
                let summary = format!("{} {}", self.layers.name(setting, given), fault.why);
                self.error(Problem::error(code, summary).help(fault.help), given);
                None
            }
        }
    }

    /// Adds an error about a value, with its line if it stood in the file.
    pub(super) fn error(&mut self, problem: Problem, given: &Given) {
        self.problems.push(self.layers.locate(problem, &given.origin));
    }

    /// Adds a warning unless the same was said before.
    pub(super) fn warn(&mut self, warning: Problem) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(super) fn show(&mut self, setting: Setting, pool: Option<usize>, given: Option<&Given>) {
        let key = Key::of(setting);
        let text = match given {
            None => key.default.to_owned(),
            Some(_) if key.secret => "***".to_owned(),
            Some(given) => rminer_stratum::endpoint::redact_url(&given.text),
        };
        self.shown.push(Shown { setting, pool, text, origin: given.map(|given| given.origin.clone()) });
    }

    fn cpu(&mut self) -> CpuSettings {
        let threads = self.take(Setting::Threads, values::threads).unwrap_or(Threads::Auto);
        let affinity = self.take(Setting::Affinity, values::affinity).flatten();
        let (threads, affinity) = match (threads, affinity) {
            (Threads::On(_), Some(_)) => {
                let problem = Problem::error("thread-conflict", "threads and affinity both list processors");
                self.problems.push(problem.help("list them in one of the two, and give --threads a number"));
                (None, None)
            }
            (Threads::On(list), None) => (None, Some(list)),
            (Threads::Auto, list) => (None, list),
            (Threads::Count(count), None) => (Some(count), None),
            (Threads::Count(count), Some(list)) => {
                if count.get() as usize > list.len() {
                    let summary = format!("{count} threads, but affinity lists {} processors", list.len());
                    let problem = Problem::error("thread-conflict", summary);
                    self.problems
                        .push(problem.help("list a processor for each thread, or ask for fewer threads"));
                }
                (Some(count), Some(list))
            }
        };
        let pages = [
            ("auto", HugePages::Auto),
            ("on", HugePages::On),
            ("off", HugePages::Off),
            ("1g", HugePages::OneGib),
        ];
        let modes = [("auto", RandomxMode::Auto), ("fast", RandomxMode::Fast), ("light", RandomxMode::Light)];
        let engines = [
            ("auto", RandomxEngine::Auto),
            ("native", RandomxEngine::Native),
            ("reference", RandomxEngine::Reference),
        ];
        let lanes = [("auto", None), ("1", Some(1)), ("2", Some(2)), ("3", Some(3))];
        CpuSettings {
            threads,
            affinity,
            intensity: self.take(Setting::Intensity, values::intensity).unwrap_or(10),
            huge_pages: self.take(Setting::HugePages, |text| values::word(text, &pages)).unwrap_or_default(),
            randomx_mode: self
                .take(Setting::RandomxMode, |text| values::word(text, &modes))
                .unwrap_or_default(),
            randomx_engine: self
                .take(Setting::RandomxEngine, |text| values::word(text, &engines))
                .unwrap_or_default(),
            randomx_lanes: self.take(Setting::RandomxLanes, |text| values::word(text, &lanes)).flatten(),
            randomx_retune: self.take(Setting::RandomxRetune, values::switch).unwrap_or(false),
            kernel: self.take(Setting::CpuKernel, values::cpu_kernel).flatten(),
            state_folder: self.layers.state_folder.clone(),
        }
    }
}
