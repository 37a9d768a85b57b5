//! What was hashed, what pools credit for it, and what was to be expected, in words.

use super::units::{efficiency, hashrate, percent};
use crate::engine::Snapshot;
use crate::records::{Effective, Statistics};

/// For the regular line, behind the rates: `99 % of bench   pool credits 6.74 kH/s, within chance (+-10 % at 412
/// shares)   88 W 12.8 J/kH`. What is not known is left out.
pub(super) fn honest(snapshot: &Snapshot, statistics: &Statistics) -> String {
    let mut text = String::new();
    let rate_hs = snapshot.rates.s60_hs;
    if let (Some(rate_hs), Some(expected)) = (rate_hs, statistics.expected) {
        text.push_str(&format!("   {:.0} % of bench", 100.0 * rate_hs / expected.hs));
    }
    if let Some(credited) = credited(statistics) {
        text.push_str(&format!("   pool credits {credited}"));
    }
    if let Some(power_w) = snapshot.power_w() {
        text.push_str(&format!("   {power_w:.0} W"));
        if let Some(efficiency) = rate_hs.and_then(|rate_hs| efficiency(power_w, rate_hs)) {
            text.push_str(&format!(" {efficiency}"));
        }
    }
    text
}

/// `6.74 kH/s, within chance (+-10 % at 412 shares)`.
pub(super) fn credited(statistics: &Statistics) -> Option<String> {
    let Effective { hs: Some(effective_hs), chance_ratio: Some(chance_ratio), shares, .. } =
        statistics.effective
    else {
        return None;
    };
    let what = match statistics.luck_ratio {
        None => "",
        Some(luck) if luck - 1.0 > chance_ratio => " more than chance explains",
        Some(luck) if 1.0 - luck > chance_ratio => " less than chance explains",
        Some(_) => " within chance",
    };
    let word = if shares == 1 { "share" } else { "shares" };
    Some(format!("{},{what} (+-{} at {shares} {word})", hashrate(Some(effective_hs)), percent(chance_ratio)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{DeviceSnapshot, Rates};
    use crate::records::Expected;
    use crate::telemetry::DeviceReadings;

    fn statistics(luck: f64) -> Statistics {
        Statistics {
            effective: Effective {
                hs: Some(6740.0),
                chance_ratio: Some(1.96 / 412f64.sqrt()),
                shares: 412,
                mined_s: 100.0,
            },
            luck_ratio: Some(luck),
            ..Statistics::default()
        }
    }

    #[test]
    fn chance_is_weighed() {
        let text = credited(&statistics(0.97)).unwrap();
        assert_eq!(text, "6.74 kH/s, within chance (+-9.7 % at 412 shares)");
        assert!(credited(&statistics(0.90)).unwrap().contains("less than chance explains"));
        assert!(credited(&statistics(1.10)).unwrap().contains("more than chance explains"));
        assert_eq!(credited(&Statistics::default()), None);
    }

    #[test]
    fn what_is_known_is_told() {
        assert_eq!(honest(&Snapshot::default(), &Statistics::default()), "");
        let readings = DeviceReadings { power_w: Some(88.0), ..DeviceReadings::default() };
        let devices = vec![DeviceSnapshot { readings, ..DeviceSnapshot::default() }];
        let rates = Rates { s60_hs: Some(6900.0), ..Rates::default() };
        let snapshot = Snapshot { devices, rates, ..Snapshot::default() };
        let expected = Some(Expected { hs: 6960.0, saved_s: 1.0 });
        let text = honest(&snapshot, &Statistics { expected, ..statistics(1.0) });
        assert!(text.starts_with("   99 % of bench   pool credits 6.74 kH/s, within"), "{text}");
        assert!(text.ends_with("   88 W 12.8 J/kH"), "{text}");
    }
}
