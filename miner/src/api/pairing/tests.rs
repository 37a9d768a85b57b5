use super::code::MAX_TRIES;
use super::*;

fn paired(pairing: &Pairing, scope: Scope) -> (String, Paired) {
    let now = Instant::now();
    let code = pairing.offer(scope, now).unwrap();
    pairing.pair(&code, "a phone", now, 1.7e9).unwrap()
}

#[test]
fn a_code_lets_one_device_in_once() {
    let pairing = Pairing::default();
    let now = Instant::now();
    assert_eq!(pairing.pair("", "x", now, 0.0).unwrap_err(), Refusal::WrongCode, "there is no code");
    let code = pairing.offer(Scope::Read, now).unwrap();
    let (token, device) =
        pairing.pair(&code.to_lowercase(), "Firefox on \u{1b}[2JAndroid", now, 1.7e9).unwrap();
    assert_eq!((device.number, device.scope), (1, Scope::Read));
    assert!(!device.name.contains('\u{1b}'), "{}", device.name);
    assert_eq!(pairing.scope_of(token.as_bytes()), Some(Scope::Read));
    assert_eq!(pairing.pair(&code, "x", now, 0.0).unwrap_err(), Refusal::WrongCode, "once");
    for wrong in ["", &token[1..], &device.hash] {
        assert_eq!(pairing.scope_of(wrong.as_bytes()), None);
    }
    // Nobody is made an owner, and an older code is no longer good.
    let old = pairing.offer(Scope::Read, now).unwrap();
    let code = pairing.offer(Scope::Owner, now).unwrap();
    assert_eq!(pairing.pair(&old, "x", now, 0.0).unwrap_err(), Refusal::WrongCode);
    assert_eq!(pairing.pair(&code, &"x".repeat(1000), now, 0.0).unwrap().1.scope, Scope::Control);
    assert!(pairing.list().iter().all(|paired| paired.name.chars().count() <= MAX_NAME_CHARS));
}

#[test]
fn wrong_codes_use_the_right_one_up() {
    let pairing = Pairing::default();
    let now = Instant::now();
    let code = pairing.offer(Scope::Control, now).unwrap();
    for _ in 0..MAX_TRIES {
        assert_eq!(pairing.pair("AAAAAAAA", "x", now, 0.0).unwrap_err(), Refusal::WrongCode);
    }
    assert_eq!(pairing.pair(&code, "x", now, 0.0).unwrap_err(), Refusal::WrongCode);
    let code = pairing.offer(Scope::Control, now).unwrap();
    assert_eq!(pairing.pair(&code, "x", now + CODE_LIFE, 0.0).unwrap_err(), Refusal::WrongCode, "too late");
}

#[test]
fn devices_have_a_number_and_can_be_forgotten() {
    let pairing = Pairing::default();
    let tokens: Vec<String> = (0..MAX_PAIRED).map(|_| paired(&pairing, Scope::Read).0).collect();
    let now = Instant::now();
    let code = pairing.offer(Scope::Read, now).unwrap();
    assert_eq!(pairing.pair(&code, "x", now, 0.0).unwrap_err(), Refusal::Full);
    let mut departures = pairing.departures();
    assert_eq!(pairing.forget(Some(2)), Ok(1));
    assert!(departures.has_changed().unwrap(), "open streams are told");
    departures.mark_unchanged();
    assert_eq!(pairing.forget(Some(2)), Ok(0));
    assert!(!departures.has_changed().unwrap(), "nobody left");
    assert_eq!(pairing.scope_of(tokens[1].as_bytes()), None);
    assert_eq!(pairing.scope_of(tokens[2].as_bytes()), Some(Scope::Read));
    assert_eq!(pairing.pair(&code, "x", now, 0.0).unwrap().1.number, 33, "the code was not used up");
    assert_eq!(pairing.forget(None), Ok(MAX_PAIRED));
    assert!(pairing.list().is_empty() && pairing.scope_of(tokens[2].as_bytes()).is_none());
}

#[test]
fn the_list_outlives_the_process_and_has_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("new/rminer");
    let first = Pairing::open(Some(&state));
    let (token, device) = paired(&first, Scope::Control);
    let text = std::fs::read_to_string(state.join(FILE_NAME)).unwrap();
    assert!(!text.contains(&token) && text.contains("a phone"), "{text}");
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1, "no draft is left");
    let again = Pairing::open(Some(&state));
    assert_eq!((again.scope_of(token.as_bytes()), again.list()), (Some(Scope::Control), vec![device]));
    assert_eq!(again.forget(None), Ok(1));
    assert!(Pairing::open(Some(&state)).list().is_empty());
    std::fs::write(state.join(FILE_NAME), "{ no list").unwrap();
    assert!(Pairing::open(Some(&state)).list().is_empty());
}

#[cfg(unix)]
#[test]
fn a_list_that_others_could_have_written_counts_for_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (token, _) = paired(&Pairing::open(Some(folder.path())), Scope::Control);
    let path = folder.path().join(FILE_NAME);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o620)).unwrap();
    assert_eq!(Pairing::open(Some(folder.path())).scope_of(token.as_bytes()), None);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_kept_is_not_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let pairing = Pairing::open(Some(&file));
    let now = Instant::now();
    let code = pairing.offer(Scope::Read, now).unwrap();
    assert_eq!(pairing.pair(&code, "x", now, 0.0).unwrap_err(), Refusal::System);
    assert!(pairing.list().is_empty());
}
