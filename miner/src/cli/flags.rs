//! The options of mining in the order in which they were typed, since `-u` belongs to the `-o` before it.

use clap::ArgMatches;
use rminer_algos::registry;

use super::foreign;
use crate::config::keys::{Form, KEYS, Key, Setting};
use crate::config::{Given, Layer, Origin, Values};
use crate::problem::Problem;

/// What the command line says.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// The settings.
    pub(super) layer: Layer,
    /// What there is to say about flags that do nothing.
    pub(super) notes: Vec<Problem>,
}

/// One option as typed.
struct Typed {
    setting: Setting,
    flag: &'static str,
    text: String,
    place: usize,
}

/// Reads the options that were parsed.
///
/// # Errors
/// Flags that contradict each other, and flags of other miners that must not be dropped.
pub(super) fn read(matches: &ArgMatches) -> Result<Flags, Vec<Problem>> {
    let foreign = foreign::read(matches);
    let mut flags = Flags { layer: Layer::default(), notes: foreign.notes };
    let mut problems = foreign.refusals;
    let mut typed: Vec<Typed> = KEYS.iter().flat_map(|key| typed(matches, key)).collect();
    let from_others = foreign.settings.into_iter();
    typed.extend(from_others.map(|(setting, flag, text, place)| Typed { setting, flag, text, place }));
    typed.sort_by_key(|typed| typed.place);
    for option in typed.into_iter().flat_map(split_userpass) {
        if let Err(problem) = put(&mut flags.layer, option) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(flags) } else { Err(problems) }
}

fn typed(matches: &ArgMatches, key: &'static Key) -> Vec<Typed> {
    // Another miner's flag may have the name of a key that is none of ours.
    if key.no_flag.is_some() {
        return Vec::new();
    }
    // Commands have some of the groups only.
    let Ok(Some(values)) = matches.try_get_many::<String>(key.flag) else { return Vec::new() };
    let places = matches.indices_of(key.flag).into_iter().flatten();
    let typed = values.zip(places);
    typed
        .map(|(text, place)| Typed { setting: key.setting, flag: key.flag, text: text.clone(), place })
        .collect()
}

/// `-O USER:PASS` is `-u USER -p PASS`.
fn split_userpass(option: Typed) -> Vec<Typed> {
    if option.setting != Setting::UserPass {
        return vec![option];
    }
    let (user, pass) = match option.text.split_once(':') {
        Some((user, pass)) => (user, Some(pass)),
        None => (option.text.as_str(), None),
    };
    let part = |setting, text: &str| Typed { setting, text: text.to_owned(), ..option };
    let user = part(Setting::User, user);
    let pass = pass.map(|pass| part(Setting::Pass, pass));
    std::iter::once(user).chain(pass).collect()
}

fn put(layer: &mut Layer, option: Typed) -> Result<(), Problem> {
    let Typed { setting, flag, text, .. } = option;
    let given = Given { text, origin: Origin::Flag(flag) };
    if setting == Setting::Pool {
        layer.pools.push(Values::from([(setting, given)]));
        return Ok(());
    }
    let values = match layer.pools.last_mut() {
        Some(pool) if Key::of(setting).per_pool => pool,
        _ => &mut layer.values,
    };
    if (Key::of(setting).repeats || Key::of(setting).form == Form::List)
        && let Some(earlier) = values.get_mut(&setting)
    {
        earlier.text = format!("{},{}", earlier.text, given.text);
        return Ok(());
    }
    let earlier = values.insert(setting, given.clone());
    match earlier {
        Some(earlier)
            if setting == Setting::Algo && registry::find(&earlier.text) != registry::find(&given.text) =>
        {
            let summary = format!("two algorithms: {} and {}", earlier.text, given.text);
            Err(Problem::error("two-algorithms", summary).help("rminer mines one at a time; name one"))
        }
        Some(earlier) if Key::of(setting).per_pool && earlier.text != given.text => {
            let problem = Problem::error("given-twice", format!("--{flag} is given twice for the same pool"));
            Err(problem
                .help("options of a pool stand behind its own --pool, or before the first one for all"))
        }
        _ => Ok(()),
    }
}
