//! What pools credited against what was hashed, and whether chance alone explains the difference.

use std::time::Duration;

use crate::records::trace::Trace;
use crate::ui::duration;

/// What pools credited.
#[derive(Debug, Clone, PartialEq)]
pub struct Earnings {
    /// In words.
    pub text: String,
    /// Credited against hashed, as a change in percent; `None` without a share.
    pub luck_pct: Option<f64>,
    /// How far chance alone may move it, in percent: it holds 19 of 20 times.
    pub ci95_pct: Option<f64>,
    /// Shares that it is made of.
    pub shares: u64,
}

/// Since this time.
pub(super) fn earnings(trace: &Trace, from: Duration) -> Earnings {
    let (mut credited, mut hashes, mut shares) = (0.0, 0.0, 0u64);
    let (mut length, mut difficulty) = (Duration::ZERO, None);
    for seen in trace.observations().filter(|seen| seen.end.at > from) {
        credited += seen.credited_hashes;
        hashes += seen.hashes as f64;
        shares += u64::from(seen.accepted);
        length += seen.length;
        difficulty = seen.difficulty.or(difficulty);
    }
    let none = |text: String| Earnings { text, luck_pct: None, ci95_pct: None, shares };
    let span = duration(Duration::from_secs(length.as_secs()));
    if length.is_zero() {
        return none("not known yet".into());
    }
    if hashes <= 0.0 {
        return none(format!("nothing was hashed in {span}"));
    }
    if shares == 0 {
        let every_s = difficulty.map(|difficulty| difficulty * length.as_secs_f64() / hashes);
        let every = every_s.and_then(|every_s| Duration::try_from_secs_f64(every_s).ok());
        let every = every.map(|every| format!("; one is expected every {}", duration(every)));
        return none(format!("no share was accepted in {span}{}", every.unwrap_or_default()));
    }
    let luck_pct = (credited / hashes - 1.0) * 100.0;
    let ci95_pct = 196.0 / (shares as f64).sqrt();
    let place = if luck_pct.abs() <= ci95_pct { "inside" } else { "outside" };
    let noun = if shares == 1 { "share" } else { "shares" };
    let text = format!(
        "{luck_pct:+.1} % against the raw rate in {span}: {place} the +-{ci95_pct:.0} % that chance gives for {shares} \
         {noun}"
    );
    Earnings { text, luck_pct: Some(luck_pct), ci95_pct: Some(ci95_pct), shares }
}
