//! From settings to a running miner.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IsTerminal};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::Variant;
use rminer_stratum::client::{Client, ClientOptions};
use rminer_stratum::connect::DialOptions;
use rminer_stratum::tls::FilePins;
use rminer_stratum::{PoolConfig, Protocol};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::alerts::Alerts;
use crate::api::{self, About, Access, ApiState, Pairing, Server};
use crate::banner::{self, banner};
use crate::bench;
use crate::clock::unix_seconds;
use crate::config::{LogFormat, Settings, UiKind};
use crate::devices::{self, Notice, NoticeSink, Setup};
use crate::doctor;
use crate::engine::{Board, Command, MAX_ORDERS, Order, Patience, Reload, RunOptions, Surroundings, run};
use crate::exit::Exit;
use crate::problem::{Problem, Severity};
use crate::records::{HistoryOptions, Recorder, Records};
use crate::safety::Governor;
use crate::service::Manager;
use crate::setup::msr::MsrState;
use crate::telemetry::{self, Telemetry, Watched};
use crate::traffic;
use crate::ui::{Full, Here, Look, Screen, Stamp, Typed, Viewer, is_interactive, screen, stamped_screen};
use crate::wallet::shown_user;

/// Notices of devices that may wait; what is beyond is dropped, since devices must not wait for screens.
const MAX_NOTICES: usize = 256;
/// How long the last words may take to be written.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long the last alerts may take to be delivered.
const LAST_ALERTS: Duration = Duration::from_secs(5);

/// The pools, which are offered what the devices can hash and nothing else.
fn pools(settings: &Settings) -> Result<Vec<PoolConfig>, (Problem, Exit)> {
    let also = devices::also(settings);
    let needs_v2 = |pool: &PoolConfig| {
        pool.randomx_v2_by_block_version
            && pool.algorithm.variant == Variant::V1
            && pool.url.protocol() == Protocol::Monerod
    };
    if also.is_empty() && settings.pools.iter().any(needs_v2) {
        let text = "blocks of a later version need RandomX v2, which the C library does not compute";
        let problem = Problem::error("pool-conflict", text)
            .help("add --randomx-engine native, or leave randomx_v2_by_block_version out");
        return Err((problem, Exit::Usage));
    }
    Ok(settings.pools.iter().map(|pool| PoolConfig { also: also.clone(), ..pool.clone() }).collect())
}

/// Mines as the settings say until it is stopped. `reload` reads the configuration again: when somebody asks for it,
/// and when a service is told that its configuration has changed (SIGHUP).
///
/// # Errors
/// What keeps the miner from starting, for people to read, with the exit code.
pub fn mine(settings: &Settings, reload: Option<Reload<'_>>) -> Result<Exit, (Problem, Exit)> {
    let (notices, waiting) = mpsc::channel(MAX_NOTICES);
    let sink: NoticeSink = Arc::new(move |notice: Notice| {
        let _full = notices.try_send(notice);
    });
    let setup = devices::open(settings, &sink)?;
    let client = Client::new(pools(settings)?, client_options(settings))
        .map_err(|error| (Problem::error("pool", error.to_string()), Exit::Usage))?;
    let names = client.pool_names();
    let interface = if settings.dry_run { None } else { open_interface(settings, &sink)? };
    let kind = kind_of_screen(settings, &sink);
    let msr = banner::msr(settings, &setup);
    let access = interface.as_ref().map(|(_, access)| access);
    let told = banner(settings, kind, &setup, &names, access, msr.as_ref());
    if settings.dry_run {
        return Ok(Exit::Done);
    }
    if let Some(caution) = settings.algorithm.caution {
        sink(Notice::Warning(Problem::warning("cannot-pay", caution)));
    }
    if settings.watchdog_test {
        sink(Notice::Warning(watchdog_test()));
    }
    let failed = |error: io::Error| (Problem::error("system", error.to_string()), Exit::Failed);
    let log_file = open_log(settings)?;
    let (log_format, verbose) = (settings.log.format, settings.log.verbosity > 0);
    let family = settings.algorithm.family;
    let (board, records) = (Arc::new(Board::default()), Arc::new(records(settings, &setup)));
    let counted = Arc::clone(&records);
    let stamp = Stamp::of(io::stdout(), settings.service.journal);
    let manager = manager(settings, &names, &sink);
    let mut viewer = Viewer::start(move || {
        let show = |kind, out, names| screen(kind, out, family, names, Arc::clone(&counted), verbose);
        let out = Box::new(io::stdout());
        let mut screens =
            vec![stamped_screen(stamp, kind, out, family, names.clone(), Arc::clone(&counted), verbose)];
        if let Some(file) = log_file {
            let kind = if log_format == LogFormat::Json { UiKind::Json } else { UiKind::Lines };
            screens.push(show(kind, Box::new(file), names));
        }
        screens
    })
    .map_err(failed)?;
    let options = RunOptions {
        time_limit: settings.time_limit,
        stats_interval: settings.stats_interval,
        patience: if settings.watchdog_test { Patience::of_test() } else { Patience::default() },
    };
    let watched = Watched::all(&setup);
    let (orders, waiting_orders) = mpsc::channel(MAX_ORDERS);
    let rig = rig(settings);
    let alerts = Alerts::start(&settings.alerts, &rig, Arc::clone(&sink)).map_err(failed)?;
    let (alerts, alert_screen) = alerts.unzip();
    let recorder = {
        let records = Arc::clone(&records);
        let pools = client.pool_names();
        let history = HistoryOptions {
            folder: settings.state_folder.clone(),
            sink: Some(sink),
            ..HistoryOptions::default()
        };
        Viewer::start(move || {
            let translate = crate::ui::events(family, pools);
            let recorder: Box<dyn Screen> = Box::new(Recorder::with_history(records, translate, history));
            let alerts = alert_screen.map(|screen| -> Box<dyn Screen> { Box::new(screen) });
            std::iter::once(recorder).chain(alerts).collect()
        })
        .map_err(failed)?
    };
    let hangup = orders.clone();
    let pairing = interface.as_ref().map(|(_, access)| Arc::clone(&access.pairing)).unwrap_or_default();
    let state = ApiState {
        pairing,
        about: Arc::new(about(settings, &setup, &client, access, msr.as_ref())),
        board: Arc::clone(&board),
        records,
        orders,
    };
    let quit = Arc::new(Notify::new());
    let watching = watch(settings, kind, &state, told, &quit).map_err(|error| {
        (Problem::error("terminal", format!("the terminal cannot be used: {error}")), Exit::Failed)
    })?;
    let server = interface.map(|(listener, access)| {
        Server::start(listener, api::router(state), access, api::Patience::default())
    });
    let server = server.transpose().map_err(failed)?;
    let around = Surroundings {
        notices: waiting,
        orders: waiting_orders,
        governor: Governor::new(settings.safety.clone(), watched.clone(), Instant::now()),
        telemetry: Telemetry::start(telemetry::sources(&watched), telemetry::PERIOD).map_err(failed)?,
        board,
        recorder: Some(recorder),
        reload,
        manager,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let sources = setup.sources.clone();
    // A terminal that is closed takes its programs along; a service without one is told of new settings by the same
    // signal.
    let reloads = around.reload.is_some() && !io::stdin().is_terminal();
    let stop = move || {
        let quit = Arc::clone(&quit);
        async move {
            tokio::select! {
                () = quit.notified() => {}
                () = async { if reloads { interrupted().await } else { stop_signal().await } } => {}
            }
        }
    };
    let (exit, snapshot) = runtime
        .block_on(async {
            if reloads {
                tokio::spawn(reload_on_hangup(hangup));
            }
            run(client, sources, around, options, stop, &mut viewer).await
        })
        .map_err(failed)?;
    drop(server);
    // The last words belong on the terminal as it was.
    drop(watching);
    viewer.finish(snapshot, LAST_WORDS);
    if let Some(alerts) = alerts {
        alerts.finish(exit, LAST_ALERTS);
    }
    // Name look-ups may still hang in the runtime's own threads; they must not hold up the end.
    runtime.shutdown_background();
    match last_word(exit) {
        Some(problem) => Err((problem, exit)),
        None => Ok(exit),
    }
}

/// The service manager that waits for a word, if there is one.
fn manager(settings: &Settings, pools: &[String], sink: &NoticeSink) -> Option<Manager> {
    Manager::of(&settings.service, pools.to_vec(), Instant::now()).unwrap_or_else(|warning| {
        sink(Notice::Warning(warning));
        None
    })
}

/// What is shown: a screen of its own needs a terminal.
fn kind_of_screen(settings: &Settings, sink: &NoticeSink) -> UiKind {
    if settings.ui != UiKind::Full || settings.dry_run || is_interactive() {
        return settings.ui;
    }
    let summary = "the full screen needs a terminal for input and output; lines are printed instead";
    let help = "leave --ui full out, or look from elsewhere with rminer top";
    sink(Notice::Warning(Problem::warning("no-terminal", summary).help(help)));
    UiKind::Lines
}

/// What somebody looks at and types into beside the lines; the terminal is as it was when this is dropped.
#[allow(dead_code, reason = "held for what happens when they are dropped")]
enum Watching {
    Full(Full),
    Keys(Option<Typed>),
    Nothing,
}

fn watch(
    settings: &Settings,
    kind: UiKind,
    state: &ApiState,
    told: Vec<String>,
    quit: &Arc<Notify>,
) -> io::Result<Watching> {
    let quit = Arc::clone(quit);
    let source = || Arc::new(Here::new(state.clone()));
    Ok(match kind {
        UiKind::Json => Watching::Nothing,
        UiKind::Full => {
            let look = Look::new(settings.color, &crate::config::variable);
            Watching::Full(Full::start(source(), look, told, move || quit.notify_one())?)
        }
        UiKind::Lines | UiKind::Quiet => {
            let tells_orders = kind == UiKind::Quiet;
            Watching::Keys(Typed::start(source(), tells_orders, move || quit.notify_one()))
        }
    })
}

/// The interface's address, taken before anything starts, and who may use it.
fn open_interface(
    settings: &Settings,
    sink: &NoticeSink,
) -> Result<Option<(TcpListener, Access)>, (Problem, Exit)> {
    let Some(address) = settings.api.bind else { return Ok(None) };
    let help = "choose another address with --api-bind ADDRESS:PORT, or --api-bind off";
    let bound = api::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (bind, listener) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            let summary = format!("the interface cannot listen on {address}: {error}");
            if settings.api.is_wanted {
                return Err((Problem::error("api-bind", summary).help(help), Exit::Usage));
            }
            sink(Notice::Warning(Problem::warning("api-bind", summary).help(help)));
            return Ok(None);
        }
    };
    let mut access = Access {
        bind,
        token: None,
        pairing: Arc::new(Pairing::open(settings.state_folder.as_deref())),
        origins: settings.api.allow_origin.clone(),
        hosts: settings.api.allow_host.clone(),
    };
    match api::open_token(&settings.api, settings.state_folder.as_deref()) {
        Ok(token) => access.token = Some(token),
        // Whoever named a token wants it to count.
        Err(problem) if access.is_closed() || settings.api.token_file.is_some() => {
            return Err((problem, Exit::Usage));
        }
        Err(problem) => {
            let fact = "Status and metrics are there all the same; orders are refused.";
            sink(Notice::Warning(Problem { severity: Severity::Warning, ..problem }.fact(fact)));
        }
    }
    if access.is_closed() {
        let summary = format!(
            "the interface on {bind} is not encrypted: who sees the network's traffic sees the token"
        );
        let help = "in a network that you do not trust, bind to 127.0.0.1 and put a reverse proxy with TLS before it";
        sink(Notice::Warning(Problem::warning("api-plain", summary).help(help)));
    }
    Ok(Some((listener, access)))
}

/// The rig's name: as the first pool knows it, else as this machine is called.
pub(crate) fn rig(settings: &Settings) -> String {
    let named = settings.pools.first().and_then(|pool| pool.credentials.rig_id.clone());
    named.unwrap_or_else(devices::host_name)
}

fn about(
    settings: &Settings,
    setup: &Setup,
    client: &Client,
    access: Option<&Access>,
    msr: Option<&MsrState>,
) -> About {
    About {
        rig: rig(settings),
        algorithm: settings.algorithm.name,
        pools: client.pool_names(),
        started_s: unix_seconds(),
        users: settings.pools.iter().map(|pool| shown_user(&pool.credentials.user)).collect(),
        config: settings.effective.clone(),
        bind: access.map(|access| access.bind),
        takes_orders: access.is_some_and(|access| access.token.is_some()),
        examined: doctor::Inputs::of(settings, &setup.chosen, &setup.left_out),
        msr: msr.filter(|state| state.is_set).and_then(|state| state.preset),
        buses: setup
            .chosen
            .iter()
            .filter_map(|device| Some((device.id.clone(), device.pci.clone()?)))
            .collect(),
    }
}

fn watchdog_test() -> Problem {
    Problem::warning("watchdog-test", "the first worker hangs twice from 20 s after its first hash (on purpose: --watchdog-test)")
        .fact("A worker counts as hung after 10 s, is left behind and started again; two make the miner end with code 42.")
        .help("leave --watchdog-test out to mine")
}

/// Empty, with what the last saved benchmark of these devices makes expect.
fn records(settings: &Settings, setup: &Setup) -> Records {
    let folder = settings.state_folder.as_deref();
    Records::new(folder.and_then(|folder| bench::expected(folder, settings.algorithm.name, &setup.chosen)))
}

/// Why the miner ended by itself.
fn last_word(exit: Exit) -> Option<Problem> {
    let problem = match exit {
        Exit::NoPool => {
            Problem::error("pool-unreachable", "no pool gave work in as many rounds as --retries allows")
                .help("rminer pool test says how far each pool can be reached")
        }
        Exit::LoginRefused => Problem::error("login-refused", "every pool refused the login")
            .fact("Their own words are in the warnings above.")
            .help("check --user; starting again does not help before something is changed"),
        Exit::NoDevice => {
            Problem::error("no-device", "no device is left that can mine").help("rminer devices")
        }
        Exit::DeviceHung => {
            Problem::error("device-hung", "two devices hang and only a new process gets them back").help(
                "start rminer again; if it happens again, lower the clock of the device or update its driver",
            )
        }
        Exit::Done | Exit::Failed | Exit::Usage | Exit::SafetyStop => return None,
    };
    Some(problem)
}

fn open_log(settings: &Settings) -> Result<Option<File>, (Problem, Exit)> {
    let Some(path) = &settings.log.file else { return Ok(None) };
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map(Some).map_err(|error| {
        let problem =
            Problem::error("log-file", format!("the log file {} cannot be opened: {error}", path.display()))
                .help("name a file in a folder that exists and that you may write to");
        (problem, Exit::Usage)
    })
}

fn client_options(settings: &Settings) -> ClientOptions {
    ClientOptions {
        retries: settings.retries.map(std::num::NonZero::get),
        // Two rigs that lose one pool in the same moment should not come back in step.
        seed: RandomState::new().build_hasher().finish(),
        traffic: (settings.log.verbosity >= 2).then(|| traffic::show(&settings.pools)),
        dial: dial_options(settings),
    }
}

/// Names and trust of this machine, and the certificates that the user trusts since they were first seen.
pub(crate) fn dial_options(settings: &Settings) -> DialOptions {
    let options = DialOptions::default();
    match &settings.state_folder {
        Some(folder) => DialOptions { pins: Arc::new(FilePins::new(folder.join("certificates"))), ..options },
        None => options,
    }
}

/// Orders the configuration to be read again at each SIGHUP.
async fn reload_on_hangup(orders: mpsc::Sender<Order>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
    while hangups.recv().await.is_some() {
        // What becomes of it is told as that of every order.
        let order = Order { command: Command::Reload, answer: oneshot::channel().0 };
        if orders.send(order).await.is_err() {
            return;
        }
    }
}

/// Ready when the user or the system asks the program to end, or the terminal is gone.
pub(crate) async fn stop_signal() {
    tokio::select! {
        () = interrupted() => {}
        () = signalled(tokio::signal::unix::SignalKind::hangup()) => {}
    }
}

/// Ready when the user or the system asks the program to end.
async fn interrupted() {
    use tokio::signal::unix::SignalKind;
    tokio::select! {
        () = signalled(SignalKind::interrupt()) => {}
        () = signalled(SignalKind::terminate()) => {}
    }
}

async fn signalled(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
        }
        // Without a handler the signal ends the process by itself.
        Err(_) => std::future::pending().await,
    }
}
