//! How it stands, in one line for people: what the page, the terminal and a phone's notice show first. Pure.

use std::time::Duration;

use super::model::{Cap, Device, Headline, Status};

/// Shares refused of all, in percent, that a person should look at.
const MANY_REFUSED_PCT: f64 = 5.0;
/// Shares before their refusals are judged.
const FEW_SHARES: u64 = 20;

/// The headline of a state; `without_pool` is how long the pool that was lost last has been away.
pub(super) fn of(status: &Status, without_pool: Option<Duration>) -> Headline {
    match status.state {
        "starting" => line("off", "Starting", "Devices get ready for their first work.", None),
        "stopping" => line("off", "Stopping", "Shares that are on their way are waited for.", None),
        "waiting" => waiting(status, without_pool),
        "paused" => paused(status),
        _ => mining(status),
    }
}

fn line(
    level: &'static str,
    text: impl Into<String>,
    detail: impl Into<String>,
    order: Option<&'static str>,
) -> Headline {
    Headline { level, text: text.into(), detail: detail.into(), order }
}

fn waiting(status: &Status, without_pool: Option<Duration>) -> Headline {
    let resume = status.paused_by.contains(&"user").then_some("resume");
    match without_pool {
        Some(length) => line(
            "bad",
            format!("No pool for {}", rough(length)),
            "Nothing is hashed until a pool gives work. It is tried again and again.",
            resume,
        ),
        None => line("care", "Waiting for work", "The pool has given no job yet.", resume),
    }
}

fn paused(status: &Status) -> Headline {
    let caps = status.devices.iter().flat_map(|device| device.caps.iter().map(move |cap| (device, cap)));
    let whole = caps.filter(|(_, cap)| cap.duty_pct <= 0.0);
    // What is dangerous is said first.
    let rank = |(_, cap): &(&Device, &Cap)| match cap.reason {
        "sensor-lost" => 0,
        "heat" => 1,
        "battery" => 2,
        "schedule" => 3,
        "power-cap" => 4,
        _ => 5,
    };
    let by_user = status.paused_by.contains(&"user");
    let order = by_user.then_some("resume");
    match whole.min_by_key(rank) {
        None => line("off", "Paused", status.paused_by.join(", "), order),
        Some((device, cap)) => {
            let (level, text) = match cap.reason {
                "sensor-lost" => ("bad", "Paused: a temperature is not known any more"),
                "heat" => ("bad", "Paused: too hot"),
                "battery" => ("care", "Paused: on battery"),
                "schedule" => ("off", "Paused: outside its hours"),
                "power-cap" => ("care", "Paused: too much power"),
                "user" => ("off", "Paused by order"),
                _ => ("off", "Paused"),
            };
            let detail = match cap.reason {
                "heat" | "sensor-lost" => format!("{}: {}", device.id, cap.detail),
                _ => cap.detail.clone(),
            };
            line(level, text, detail, order)
        }
    }
}

fn mining(status: &Status) -> Headline {
    let pause = Some("pause");
    let gone: Vec<&Device> = status
        .devices
        .iter()
        .filter(|device| ["lost", "benched", "unusable"].contains(&device.state))
        .collect();
    if let Some(first) = gone.first() {
        let text = match gone.len() {
            1 => format!("Mining without {}", first.id),
            count => format!("Mining without {count} devices"),
        };
        let names = gone.iter().map(|device| format!("{} is {}", device.id, device.state));
        return line("care", text, names.collect::<Vec<_>>().join(", "), pause);
    }
    let held = status.devices.iter().filter_map(|device| Some((device, device.caps.first()?)));
    if let Some((device, cap)) = held.min_by(|(_, a), (_, b)| a.duty_pct.total_cmp(&b.duty_pct)) {
        let detail = format!("{} hashes {:.0} % of the time: {}", device.id, cap.duty_pct, cap.detail);
        return match cap.reason {
            "limit" => line("well", "Mining, held back by order", detail, Some("full-speed")),
            "ramp-up" => line("well", "Mining, coming back slowly", detail, pause),
            "heat" | "sensor-lost" => line("care", "Mining, held back by heat", detail, pause),
            _ => line("care", "Mining, held back", detail, pause),
        };
    }
    let shares = &status.shares;
    let rejected = &shares.rejected;
    let refused =
        shares.stale + rejected.low_difficulty + rejected.duplicate + rejected.unauthorized + rejected.other;
    let all = shares.accepted + refused;
    // Counts of shares are far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let refused_pct = if all == 0 { 0.0 } else { refused as f64 / all as f64 * 100.0 };
    if all >= FEW_SHARES && refused_pct > MANY_REFUSED_PCT {
        let detail = format!("The pool refused {refused} of {all} shares ({refused_pct:.0} %).");
        return line("care", "Mining, but many shares are refused", detail, pause);
    }
    let count = status.devices.len();
    let devices = if count == 1 { "1 device".to_owned() } else { format!("{count} devices") };
    line(
        "well",
        "Mining, all well",
        format!("{} on {devices}, {} shares taken", status.algo, shares.accepted),
        pause,
    )
}

/// A length of time with its largest unit.
fn rough(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
