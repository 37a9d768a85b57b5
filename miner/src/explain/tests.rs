use super::*;
use crate::records::trace::{DeviceObservation, Mark, MarkKind, Observation};
use crate::safety::Reason;

fn at(second: u64) -> Moment {
    Moment { at: Duration::from_secs(second), time_s: 1.8e9 + second as f64 }
}

/// A trace of nothing.
fn empty(second: u64) -> Trace {
    let mut trace = Trace::default();
    trace.now = at(second);
    trace
}

/// A trace of ten-second observations, each of one device and as `change` makes it.
fn trace(device: &str, count: u64, change: impl Fn(u64, &mut Observation, &mut DeviceObservation)) -> Trace {
    let mut trace = Trace::default();
    for number in 0..count {
        let mut of = DeviceObservation {
            device: device.into(),
            // Not quite steady, as devices are.
            rate_hs: 1000.0 + (number % 3) as f64 * 5.0,
            is_undisturbed: true,
            clock_hz: Some(4.0e9),
            workers: 4,
            ..DeviceObservation::default()
        };
        let mut seen = Observation {
            end: at((number + 1) * 10),
            length: Duration::from_secs(10),
            cpu_others: Some(0.1),
            memory_available_bytes: Some(8 << 30),
            memory_total_bytes: Some(16 << 30),
            jobs: 1,
            ..Observation::default()
        };
        change(number, &mut seen, &mut of);
        trace.now = seen.end;
        seen.devices.push(of);
        trace.observe(seen);
    }
    trace
}

fn load(seen: &mut Observation, name: &str, units: f32) {
    seen.cpu_others = Some(units + 0.1);
    seen.busiest = vec![(name.into(), units)];
}

fn told(trace: &Trace) -> Vec<(&'static str, String, u64, u64, bool)> {
    let all = explain(trace, Duration::from_secs(100_000)).findings.into_iter();
    all.map(|f| (f.code, f.what, f.from.at.as_secs(), f.to.at.as_secs(), f.ongoing)).collect()
}

#[test]
fn a_steady_device_has_no_findings_and_a_short_dip_is_none() {
    assert_eq!(told(&trace("cpu0", 100, |_, _, _| {})), []);
    let dip = trace("cpu0", 100, |number, _, of| {
        if [40, 41, 60].contains(&number) {
            of.rate_hs = 500.0;
        }
    });
    assert_eq!(told(&dip), []);
    // Before enough is known nothing is said.
    assert_eq!(told(&trace("cpu0", 8, |number, _, of| of.rate_hs /= if number > 4 { 2.0 } else { 1.0 })), []);
}

#[test]
fn a_slump_is_cut_where_its_cause_changes() {
    let trace = trace("cpu0", 100, |number, seen, of| match number {
        40..50 => {
            load(seen, "firefox", 2.0);
            of.rate_hs = 600.0;
        }
        50..60 => {
            of.clock_hz = Some(3.0e9);
            of.rate_hs = 740.0;
        }
        _ => {}
    });
    assert_eq!(
        told(&trace),
        [
            ("foreign-load", "cpu0 -40 %".to_owned(), 400, 500, false),
            ("throttled", "cpu0 -26 %".to_owned(), 500, 600, false)
        ]
    );
    let explanation = explain(&trace, Duration::from_secs(100_000));
    assert_eq!(explanation.findings[0].cause, "firefox used 2.0 cores");
    assert_eq!(explanation.findings[1].cause, "core clock 3.00 GHz, 4.00 before");
    // Only what reaches into the time that was asked for.
    assert_eq!(explain(&trace, Duration::from_secs(450)).findings.len(), 1);
}

#[test]
fn what_does_not_fit_is_not_given_as_a_cause() {
    let slump = |number: u64, of: &mut DeviceObservation| {
        if (40..50).contains(&number) {
            of.rate_hs = 700.0;
        }
    };
    let code = |trace: &Trace| told(trace).into_iter().map(|told| told.0).collect::<Vec<_>>();
    // There all the time, before and after it, too little for it, or of a kind that does not matter here.
    let always = trace("cpu0", 100, |number, seen, of| {
        load(seen, "backup", 2.0);
        slump(number, of);
    });
    let beside = trace("cpu0", 100, |number, seen, of| {
        if (30..40).contains(&number) || (50..60).contains(&number) {
            load(seen, "backup", 2.0);
        }
        slump(number, of);
    });
    let little = trace("cpu0", 100, |number, seen, of| {
        if (40..50).contains(&number) {
            load(seen, "backup", 0.2);
            of.clock_hz = Some(3.95e9);
        }
        slump(number, of);
    });
    let of_card = trace("gpu0", 100, |number, seen, of| {
        if (40..50).contains(&number) {
            load(seen, "backup", 2.0);
        }
        slump(number, of);
    });
    for trace in [always, beside, little, of_card] {
        assert_eq!(code(&trace), ["rate-fell"]);
        let cause = &explain(&trace, Duration::from_secs(100_000)).findings[0].cause;
        assert!(cause.starts_with("no cause was found: other programs used"), "{cause}");
        assert!(cause.ends_with("; not known here: temperature"), "{cause}");
        assert!(cause.contains(", memory, jobs and limits were as before;"), "{cause}");
    }
}

#[test]
fn only_what_was_compared_is_said_to_be_as_before() {
    let slow = |number: u64, of: &mut DeviceObservation| {
        if (40..50).contains(&number) {
            of.rate_hs = 700.0;
        }
    };
    let cause = |trace: &Trace| {
        let findings = explain(trace, Duration::from_secs(100_000)).findings;
        assert_eq!((findings.len(), findings[0].code), (1, "rate-fell"));
        findings[0].cause.clone()
    };
    let unknown = trace("cpu0", 100, |number, seen, of| {
        (seen.memory_available_bytes, seen.memory_total_bytes) = (None, None);
        slow(number, of);
    });
    let told = cause(&unknown);
    assert!(told.contains(", jobs and limits were as before;") && !told.contains("memory"), "{told}");
    let short = trace("cpu0", 100, |number, seen, of| {
        of.huge_pages = Some((1168, 1168));
        if (43..45).contains(&number) {
            seen.memory_available_bytes = Some(100 << 20);
        }
        slow(number, of);
    });
    let told = cause(&short);
    assert!(told.contains(", only 100 of 16384 MiB of memory were left in a part of it, "), "{told}");
    assert!(told.contains(" it, huge pages, jobs and limits were as before;"), "{told}");
}

#[test]
fn several_causes_at_once_are_all_told_and_what_lasts_lasts() {
    let trace = trace("cpu0", 60, |number, seen, of| {
        if number >= 50 {
            load(seen, "make", 1.5);
            seen.memory_available_bytes = Some(100 << 20);
            of.throttled = Some("thermal".into());
            of.clock_hz = Some(2.0e9);
            of.temp_c = Some(96.0);
            of.rate_hs = 400.0;
        }
    });
    let findings = explain(&trace, Duration::from_secs(100_000)).findings;
    assert_eq!((findings.len(), findings[0].code, findings[0].ongoing), (1, "throttled", true));
    assert_eq!(
        findings[0].cause,
        "the hardware slows itself down (thermal); core clock 2.00 GHz, 4.00 before; 96 C; also make used 1.5 cores; \
         also only 100 of 16384 MiB of memory were left"
    );
}

#[test]
fn what_the_miner_itself_holds_back_is_no_slump() {
    let paused = trace("cpu0", 100, |number, _, of| {
        if (40..60).contains(&number) {
            (of.is_undisturbed, of.rate_hs) = (false, 100.0);
        }
    });
    assert_eq!(told(&paused), []);
    // In small pages another rate is usual, however long; the mark tells of it.
    let mut small = trace("cpu0", 100, |number, _, of| {
        of.huge_pages = Some((if number < 50 { 1180 } else { 100 }, 1180));
        of.rate_hs *= if number < 50 { 1.0 } else { 0.7 };
    });
    small.begin(MarkKind::HugePages, Some("cpu0"), at(500)).detail = "100 of 1180".into();
    assert_eq!(told(&small), [("huge-pages-lost", "cpu0 -30 %".to_owned(), 500, 1000, true)]);
}

#[test]
fn what_happens_to_all_devices_is_told_once() {
    let mut trace = empty(700);
    for (device, second) in [("gpu0", 100), ("gpu1", 101)] {
        let mark = trace.begin(MarkKind::Paused(Reason::Schedule), Some(device), at(second));
        mark.detail = "outside of 22:00-06:00".into();
        trace.begin(MarkKind::Paused(Reason::Heat), Some(device), at(second + 300)).detail = "86 C".into();
    }
    trace.end(at(200), |mark| mark.kind == MarkKind::Paused(Reason::Schedule));
    trace.end(at(410), |mark| mark.device.as_deref() == Some("gpu0"));
    assert_eq!(
        told(&trace),
        [
            ("paused", "2 devices paused".to_owned(), 100, 200, false),
            ("paused", "gpu0 paused".to_owned(), 400, 410, false),
            ("paused", "gpu1 paused".to_owned(), 401, 700, true)
        ]
    );
}

#[test]
fn no_answer_is_longer_than_that() {
    let mut trace = empty(1_000_000);
    for number in 0..MAX_FINDINGS as u64 + 50 {
        let mark: &mut Mark = trace.begin(MarkKind::DeviceLost, Some("gpu0"), at(number * 1000));
        mark.detail = format!("loss {number}");
        trace.end(at(number * 1000 + 1), |_| true);
    }
    let findings = explain(&trace, Duration::from_secs(2_000_000)).findings;
    assert_eq!((findings.len(), findings[0].cause.as_str()), (MAX_FINDINGS, "loss 50"));
}

#[test]
fn earnings_are_inside_or_outside_of_what_chance_gives() {
    let mut trace = empty(1000);
    assert_eq!(explain(&trace, Duration::from_secs(1000)).earnings.text, "not known yet");
    for number in 1..=100 {
        let seen =
            Observation { end: at(number * 10), length: Duration::from_secs(10), ..Observation::default() };
        trace.observe(Observation { accepted: 1, credited_hashes: 850.0, hashes: 1000, ..seen });
    }
    let earnings = explain(&trace, Duration::from_secs(2000)).earnings;
    assert_eq!((earnings.shares, earnings.luck_pct.map(f64::round)), (100, Some(-15.0)));
    assert!(
        earnings.text.ends_with("inside the +-20 % that chance gives for 100 shares"),
        "{}",
        earnings.text
    );
    let mut dry = empty(10);
    dry.observe(Observation {
        end: at(10),
        length: Duration::from_secs(10),
        hashes: 1000,
        difficulty: Some(50_000.0),
        ..Observation::default()
    });
    assert_eq!(
        explain(&dry, Duration::from_secs(100)).earnings.text,
        "no share was accepted in 10 s; one is expected every 8 min 20 s"
    );
}
