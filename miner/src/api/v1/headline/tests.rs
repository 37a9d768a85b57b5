use super::*;
use crate::api::v1::samples;

fn status(state: &'static str) -> Status {
    let (mut status, _) = samples(2, "a processor");
    status.state = state;
    status.paused_by.clear();
    for device in &mut status.devices {
        device.state = "mining";
        device.caps.clear();
    }
    status
}

fn cap(reason: &'static str, duty_pct: f64) -> Cap {
    Cap { reason, duty_pct, detail: format!("because of {reason}") }
}

#[test]
fn each_state_has_its_words_and_its_order() {
    let all_well = of(&status("mining"), None);
    assert_eq!(
        (all_well.level, all_well.text.as_str(), all_well.order),
        ("well", "Mining, all well", Some("pause"))
    );
    assert!(all_well.detail.contains("2 devices"), "{}", all_well.detail);
    assert_eq!(of(&status("starting"), None).text, "Starting");
    assert_eq!(of(&status("stopping"), None).order, None);
    let alone = of(&status("waiting"), Some(Duration::from_secs(250)));
    assert_eq!((alone.level, alone.text.as_str()), ("bad", "No pool for 4 min"));
    assert_eq!(of(&status("waiting"), None).text, "Waiting for work");
}

#[test]
fn of_several_reasons_the_dangerous_one_is_told() {
    let mut paused = status("paused");
    paused.paused_by = vec!["user", "heat"];
    paused.devices[0].caps = vec![cap("user", 0.0), cap("limit", 40.0)];
    paused.devices[1].caps = vec![cap("user", 0.0), cap("heat", 0.0)];
    let line = of(&paused, None);
    assert_eq!((line.level, line.text.as_str()), ("bad", "Paused: too hot"));
    let detail = format!("{}: because of heat", paused.devices[1].id);
    assert_eq!((line.detail, line.order), (detail, Some("resume")));
    paused.devices[1].caps.pop();
    let line = of(&paused, None);
    assert_eq!((line.level, line.text.as_str()), ("off", "Paused by order"));
    for (reason, level) in
        [("sensor-lost", "bad"), ("battery", "care"), ("schedule", "off"), ("power-cap", "care")]
    {
        paused.devices[0].caps = vec![cap(reason, 0.0)];
        assert_eq!(of(&paused, None).level, level, "{reason}");
    }
    paused.devices.clear();
    assert_eq!(of(&paused, None).text, "Paused");
}

#[test]
fn what_is_less_than_all_is_said() {
    let mut held = status("mining");
    held.devices[1].caps = vec![cap("limit", 40.0)];
    held.devices[1].duty_pct = 40.0;
    let line = of(&held, None);
    assert_eq!((line.level, line.order), ("well", Some("full-speed")));
    assert!(line.detail.contains("40 %") && line.detail.contains("because of limit"), "{}", line.detail);
    held.devices[0].caps = vec![cap("heat", 20.0)];
    held.devices[0].duty_pct = 20.0;
    assert_eq!(of(&held, None).text, "Mining, held back by heat");
    held.devices[1].state = "lost";
    assert_eq!(of(&held, None).level, "care");
    assert!(of(&held, None).text.ends_with(&format!("without {}", held.devices[1].id)));
    let mut refused = status("mining");
    refused.shares.accepted = 94;
    refused.shares.stale = 3;
    refused.shares.rejected.other = 2;
    assert_eq!(of(&refused, None).level, "care");
    refused.shares.accepted = 10;
    assert_eq!(of(&refused, None).text, "Mining, all well", "too few to judge");
}
