//! The start: what will happen, before it happens. Shown in every mode: this program is never silent about what it does.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::time::Instant;

use rminer_algos::encode_hex;
use rminer_algos::registry::Family;
use rminer_stratum::Protocol;
use rminer_stratum::address::Payout;
use rminer_stratum::text::clean;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::Access;
use crate::config::{HugePages, RandomxMode, Settings, UiKind};
use crate::devices::cpu::randomx::huge_pages;
use crate::devices::{Chosen, LeftOut, Setup};
use crate::setup::Places;
use crate::setup::msr::MsrState;
use crate::telemetry::{DeviceKind, HostReadings, HostSource, Roots};
use crate::ui::{Stamp, is_interactive, say, short_list};
use crate::wallet::shown_user;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// Says it, and returns what was said to people, for screens that cover it.
pub(crate) fn banner(
    settings: &Settings,
    kind: UiKind,
    setup: &Setup,
    pools: &[String],
    interface: Option<&Access>,
    msr: Option<&MsrState>,
) -> Vec<String> {
    let stamp = Stamp::of(io::stderr(), settings.service.journal);
    for warning in &settings.warnings {
        let _gone = io::stderr().write_all(stamp.message(warning, false).as_bytes());
    }
    if kind == UiKind::Json {
        say!("{}", fields(settings, setup, pools, interface));
        return Vec::new();
    }
    let host = HostSource::new(Roots::of_this_machine()).read_at(Instant::now()).host;
    let lines = lines(settings, kind, setup, pools, interface, msr, &host);
    lines.iter().for_each(|line| say!("{line}"));
    let warnings = settings
        .warnings
        .iter()
        .flat_map(|warning| warning.to_string().lines().map(str::to_owned).collect::<Vec<_>>());
    warnings.chain(lines).collect()
}

fn fields(settings: &Settings, setup: &Setup, pools: &[String], interface: Option<&Access>) -> Value {
    json!({
        "event": "start",
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "algorithm": settings.algorithm.name,
        "pools": pools,
        "users": settings.pools.iter().map(|pool| shown_user(&pool.credentials.user)).collect::<Vec<_>>(),
        "payouts": payouts(settings),
        "devices": setup.chosen.iter().map(device_fields).collect::<Vec<_>>(),
        "left_out": setup.left_out.iter().map(left_out_fields).collect::<Vec<_>>(),
        "api": interface.map(|access| access.bind.to_string()),
        "api_token_file": interface.and_then(|access| access.token.as_ref()?.path()),
    })
}

fn lines(
    settings: &Settings,
    kind: UiKind,
    setup: &Setup,
    pools: &[String],
    interface: Option<&Access>,
    msr: Option<&MsrState>,
    host: &HostReadings,
) -> Vec<String> {
    let mut lines =
        vec![format!("rminer {:<60} no fee, pid {}", env!("CARGO_PKG_VERSION"), std::process::id())];
    lines.push(format!("  mine     {}", settings.algorithm.name));
    for device in &setup.chosen {
        let workers =
            if device.workers == 1 { String::new() } else { format!("{} threads, ", device.workers) };
        lines.push(format!("  {:<8} {}   {workers}{}", device.id, device.name, device.engine));
    }
    lines.extend(
        memory(host, huge_pages_needed(settings, setup)).map(|memory| format!("  memory   {memory}")),
    );
    lines.extend(msr.map(|state| format!("  msr      {}", state.text())));
    for (number, (pool, name)) in settings.pools.iter().zip(pools).enumerate() {
        let role = if number == 0 { "" } else { "   fall-back" };
        lines.push(format!("  pool {:<3} {name}   {}{role}", number + 1, shown_user(&pool.credentials.user)));
    }
    for payout in payouts(settings) {
        lines.push(format!("  pays     {} by the script {}", payout.address, payout.script));
    }
    if let Some(access) = interface {
        let needs = if access.is_closed() { "needs" } else { "orders need" };
        let path = access.token.as_ref().and_then(|token| token.path());
        let token = path.map(|path| format!("   {needs} the token in {}", path.display()));
        // A phone is let in by who may give orders.
        let phone = access.token.as_ref().map_or("", |_| "   phone: rminer ctl pair");
        lines.push(format!("  watch    http://{}{phone}{}", access.bind, token.unwrap_or_default()));
    }
    match kind {
        UiKind::Lines | UiKind::Quiet if is_interactive() => {
            lines.push(format!("  keys     {}", short_list()));
        }
        _ => lines.push("  stop     Ctrl-C".into()),
    }
    lines
}

/// Huge pages that RandomX will ask for; none where it does not mine, or the user wants none.
fn huge_pages_needed(settings: &Settings, setup: &Setup) -> Option<u32> {
    let wants = settings.algorithm.family == Family::Monero && settings.cpu.huge_pages != HugePages::Off;
    let threads = cpu_threads(setup);
    let with_dataset = settings.cpu.randomx_mode != RandomxMode::Light;
    (wants && threads > 0).then(|| huge_pages::needed(threads, with_dataset))
}

/// The registers for RandomX, where processors mine it.
pub(crate) fn msr(settings: &Settings, setup: &Setup) -> Option<MsrState> {
    let counts = settings.algorithm.family == Family::Monero && cpu_threads(setup) > 0;
    counts.then(|| MsrState::look(&Places::of_this_machine()))
}

/// Threads of processors that mine.
fn cpu_threads(setup: &Setup) -> usize {
    let cpus = setup.chosen.iter().filter(|chosen| DeviceKind::of(&chosen.id) == DeviceKind::Cpu);
    cpus.map(|cpu| cpu.workers).sum()
}

/// `31.3 GiB, 27.4 free; huge pages 1180 of 1180 x 2 MiB`: those that are free and those that the devices will take,
/// where there are any. `None` where the system tells nothing.
fn memory(host: &HostReadings, need: Option<u32>) -> Option<String> {
    #[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
    let gib = |bytes: u64| bytes as f64 / GIB as f64;
    let (total, free) = (host.memory_total_bytes?, host.memory_available_bytes?);
    let mut text = format!("{:.1} GiB, {:.1} free", gib(total), gib(free));
    let pool = |bytes: u64| host.huge_pages.iter().find(|pool| pool.page_bytes == bytes);
    if let Some(need) = need {
        let free = pool(2 * MIB).map_or(0, |pool| pool.free);
        text.push_str(&format!("; huge pages: {free} x 2 MiB free, {need} needed"));
        match pool(GIB).filter(|pool| pool.total > 0) {
            Some(giant) => text.push_str(&format!("; {} of {} x 1 GiB free", giant.free, giant.total)),
            None => text.push_str("; none of 1 GiB"),
        }
    }
    Some(text)
}

fn device_fields(device: &Chosen) -> Value {
    json!({ "device": device.id, "name": device.name, "engine": device.engine, "workers": device.workers })
}

fn left_out_fields(device: &LeftOut) -> Value {
    json!({ "device": device.id, "name": device.name, "reason": device.reason, "help": device.help })
}

/// What solo blocks pay, in full: whoever looks at it should be able to compare every letter.
fn payouts(settings: &Settings) -> Vec<Payouts> {
    let solo = settings.pools.iter().filter(|pool| pool.url.protocol() == Protocol::Gbt);
    let addresses: BTreeSet<&str> = solo.map(|pool| pool.credentials.user.as_str()).collect();
    let read = |address: &&str| {
        let script = encode_hex(&Payout::parse(address).ok()?.script);
        Some(Payouts { address: clean(address), script })
    };
    addresses.iter().filter_map(read).collect()
}

/// An address and the script that pays it.
#[derive(Serialize)]
struct Payouts {
    address: String,
    script: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::HugePagePool;

    #[test]
    fn memory_is_told_where_it_is_known() {
        assert_eq!(memory(&HostReadings::default(), Some(3)), None);
        let mut host = HostReadings {
            memory_total_bytes: Some(32 * GIB),
            memory_available_bytes: Some(27 * GIB + 400 * MIB),
            ..HostReadings::default()
        };
        assert_eq!(memory(&host, None).unwrap(), "32.0 GiB, 27.4 free");
        assert_eq!(
            memory(&host, Some(1180)).unwrap(),
            "32.0 GiB, 27.4 free; huge pages: 0 x 2 MiB free, 1180 needed; none of 1 GiB"
        );
        host.huge_pages = vec![
            HugePagePool { page_bytes: 2 * MIB, total: 1200, free: 1190 },
            HugePagePool { page_bytes: GIB, total: 3, free: 2 },
        ];
        let text = memory(&host, Some(1180)).unwrap();
        assert!(text.ends_with("huge pages: 1190 x 2 MiB free, 1180 needed; 2 of 3 x 1 GiB free"), "{text}");
    }
}
