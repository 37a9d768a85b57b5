//! What each key asks for, the same in lines and on the full screen.

use serde_json::{Value, json};

use super::status::{MAX_CAPS, MAX_DEVICES, items, word};

/// Something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Rates of all devices.
    Rates,
    /// What each device does.
    Devices,
    /// Each thread.
    Threads,
    /// Shares.
    Shares,
    /// Pools.
    Pool,
    /// Why it is as it is.
    Why,
    /// Temperatures, limits, memory.
    Health,
    /// The keys.
    Keys,
}

impl Topic {
    /// All, in the order in which they are gone through.
    pub(crate) const ALL: [Self; 8] = [
        Self::Rates,
        Self::Devices,
        Self::Threads,
        Self::Shares,
        Self::Pool,
        Self::Why,
        Self::Health,
        Self::Keys,
    ];
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Something to read.
    Show(Topic),
    /// No hashing until someone resumes.
    Pause,
    /// The pause is taken back.
    Resume,
    /// The device with this number, from 1, pauses or goes on.
    Toggle(usize),
    /// The end.
    Quit,
}

/// Every key with what it does, in the order in which they are told.
pub(crate) const KEYS: [(char, &str, &str); 12] = [
    ('h', "hashrate", "the table of rates"),
    ('d', "devices", "what each device does, and its number"),
    ('t', "threads", "each thread and the processor that it is pinned to"),
    ('s', "shares", "the last shares and what became of them"),
    ('c', "pool", "the pools: state, answers, why connections ended"),
    ('w', "why", "why the rate fell, a share was stale, a pause came"),
    ('e', "health", "temperatures and their limits, power, huge pages"),
    ('p', "pause", "stop hashing; the connection with the pool is kept"),
    ('r', "resume", "take the pause back"),
    ('1', "to 9", "pause the device with this number, or let it go on"),
    ('?', "keys", "this list"),
    ('q', "quit", "end"),
];

/// The keys on one line.
pub(crate) fn short_list() -> String {
    let words = KEYS.iter().filter(|(key, ..)| *key != '1').map(|(key, word, _)| format!("{key} {word}"));
    words.collect::<Vec<_>>().join("  ")
}

/// What a letter asks for. Capitals are the same: somebody's caps lock is on.
pub(crate) fn action(letter: char) -> Option<Action> {
    Some(match letter.to_ascii_lowercase() {
        'h' => Action::Show(Topic::Rates),
        'd' => Action::Show(Topic::Devices),
        't' => Action::Show(Topic::Threads),
        's' => Action::Show(Topic::Shares),
        'c' => Action::Show(Topic::Pool),
        'w' => Action::Show(Topic::Why),
        'e' => Action::Show(Topic::Health),
        '?' => Action::Show(Topic::Keys),
        'p' => Action::Pause,
        'r' => Action::Resume,
        'q' => Action::Quit,
        digit @ '1'..='9' => Action::Toggle(usize::try_from(digit.to_digit(10)?).ok()?),
        _ => return None,
    })
}

/// The path and the body of an order, given the miner's state; `Err` says why there is none. `None` where the action is
/// no order.
pub(crate) fn order(action: Action, status: &Value) -> Option<Result<(&'static str, Value), String>> {
    let pause = "/api/v1/control/pause";
    let resume = "/api/v1/control/resume";
    match action {
        Action::Show(_) | Action::Quit => None,
        Action::Pause => Some(Ok((pause, json!({})))),
        Action::Resume => Some(Ok((resume, json!({})))),
        Action::Toggle(number) => {
            let devices = items(&status["devices"], MAX_DEVICES);
            let Some(device) = number.checked_sub(1).and_then(|index| devices.get(index)) else {
                return Some(Err(format!("there is no device {number}; d lists them with their numbers")));
            };
            let Some(id) = device["id"].as_str() else {
                return Some(Err(format!("device {number} has no name")));
            };
            let is_paused = items(&device["caps"], MAX_CAPS).iter().any(|cap| cap["reason"] == "user");
            let path = if is_paused { resume } else { pause };
            Some(Ok((path, json!({ "device": id }))))
        }
    }
}

/// What the miner says to an order.
pub(crate) fn outcome(answer: &Value) -> String {
    word(&answer["result"]).unwrap_or_else(|| "done".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_told_does_something() {
        for (key, word, _) in KEYS {
            assert!(action(key).is_some(), "{key} {word}");
            assert_eq!(action(key), action(key.to_ascii_uppercase()));
        }
        for (key, topic) in [
            ('h', Topic::Rates),
            ('d', Topic::Devices),
            ('t', Topic::Threads),
            ('s', Topic::Shares),
            ('c', Topic::Pool),
            ('w', Topic::Why),
            ('e', Topic::Health),
            ('?', Topic::Keys),
        ] {
            assert_eq!(action(key), Some(Action::Show(topic)));
        }
        assert_eq!(
            (action('p'), action('r'), action('q')),
            (Some(Action::Pause), Some(Action::Resume), Some(Action::Quit))
        );
        assert_eq!((action('1'), action('9')), (Some(Action::Toggle(1)), Some(Action::Toggle(9))));
        for none in ['0', 'x', '\n', '\u{1b}', 'ß', '\u{7f}'] {
            assert_eq!(action(none), None, "{none:?}");
        }
        assert!(short_list().contains("w why") && short_list().ends_with("q quit"));
    }

    #[test]
    fn digits_pause_a_device_and_let_it_go_on() {
        let user = json!([{"reason": "heat"}, {"reason": "user"}]);
        let status =
            json!({"devices": [{"id": "cpu0", "caps": []}, {"id": "gpu0", "caps": user}, {"caps": 3}]});
        let of = |number| order(Action::Toggle(number), &status).unwrap();
        assert_eq!(of(1), Ok(("/api/v1/control/pause", json!({"device": "cpu0"}))));
        assert_eq!(of(2), Ok(("/api/v1/control/resume", json!({"device": "gpu0"}))));
        for none in [0, 3, 4, 9] {
            assert!(of(none).is_err());
        }
        assert!(order(Action::Toggle(1), &Value::Null).unwrap().is_err());
        assert_eq!(order(Action::Quit, &status), None);
        assert_eq!(order(Action::Pause, &status), Some(Ok(("/api/v1/control/pause", json!({})))));
        assert_eq!(order(Action::Resume, &status), Some(Ok(("/api/v1/control/resume", json!({})))));
    }
}
