//! What was written becomes what it means: flags, environment and file in, [`Settings`] out.
//!
//! [`keys`] names every setting once. Each source is read into a [`Layer`] of texts that know where they
//! stood; [`resolve()`] puts the layers over each other and checks the result, so that a wrong value has the
//! same message wherever it was written. The file is never written by the program.

mod alerts;
mod expand;
mod file;
mod identity;
pub mod keys;
mod pools;
mod raw;
mod resolve;
mod resolved;
mod safety;
pub(crate) mod secrets;
pub mod toml_text;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use file::read as read_text;
pub use raw::{Given, Layer, Layers, Origin, Source, Values};
pub use resolve::{Globals, Pools, Resolution, Shown, resolve};
pub use resolved::{
    CpuSettings, DevicePattern, DeviceSelection, EffectiveSetting, GpuSettings, HugePages, LogFormat,
    LogSettings, MAX_POOLS, RandomxEngine, RandomxMode, Settings, UiKind, When,
};

use keys::{KEYS, Setting};

use crate::problem::Problem;
use crate::service::directory;

/// Looks up an environment variable. The program's own is [`variable`]; tests bring theirs.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable of this process's environment, `None` also when it is empty: containers set variables that
/// they have no value for.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The settings that the environment has.
pub fn from_env(env: Env<'_>) -> Layer {
    let mut layer = Layer::default();
    for key in KEYS {
        let Some(name) = key.env_name() else { continue };
        let Some(text) = env(&name) else { continue };
        let given = |text: &str| Given { text: text.to_owned(), origin: Origin::Env(name.clone()) };
        if key.setting == Setting::Pool {
            let urls = text.split([',', ' ', '\n']).map(str::trim).filter(|url| !url.is_empty());
            layer.pools = urls.map(|url| Values::from([(Setting::Pool, given(url))])).collect();
        } else {
            layer.values.insert(key.setting, given(&text));
        }
    }
    layer
}

/// Reads a file into layers: what it says and all that is wrong with its form.
///
/// # Errors
/// When it cannot be read at all.
pub fn from_file(path: &Path, env: Env<'_>) -> Result<(Source, Layer, Vec<Problem>), Problem> {
    let source = file::read(path)?;
    let (layer, problems) = file::parse(&source, env);
    Ok((source, layer, problems))
}

/// The file to read: the one that was named, else the usual one if it exists.
pub fn file_path(named: Option<&Path>, env: Env<'_>) -> Option<PathBuf> {
    named
        .map(Path::to_owned)
        .or_else(|| env("RMINER_CONFIG").map(PathBuf::from))
        .or_else(|| usual_path(env).filter(|path| path.exists()))
}

/// `config.toml` in the folder that a service manager names, else `$XDG_CONFIG_HOME/rminer/config.toml`, whether it
/// exists or not.
pub fn usual_path(env: Env<'_>) -> Option<PathBuf> {
    if let Some(folder) = directory(env, "CONFIGURATION_DIRECTORY") {
        return Some(folder.join("config.toml"));
    }
    let folder = env("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| env("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(folder.join("rminer").join("config.toml"))
}

/// The folder that a service manager names, else `$XDG_STATE_HOME/rminer`, whether it exists or not.
pub fn state_folder(env: Env<'_>) -> Option<PathBuf> {
    if let Some(folder) = directory(env, "STATE_DIRECTORY") {
        return Some(folder);
    }
    let folder = env("XDG_STATE_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| env("HOME").map(|home| PathBuf::from(home).join(".local/state")))?;
    Some(folder.join("rminer"))
}

/// A time such as `90`, `90s` or `1h30m`, for options of single commands.
///
/// # Errors
/// What to write instead.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    match values::time(text) {
        Ok(Some(time)) => Ok(time),
        Ok(None) => Err("write a time such as 90s, 5m or 2h".into()),
        Err(fault) => Err(fault.help),
    }
}

/// `found` without those that only say what a fault in the form of the file has caused: a pool whose line could
/// not be read is not missing.
pub fn without_follow_ups(form: &[Problem], found: Vec<Problem>) -> Vec<Problem> {
    let follows = |problem: &Problem| !form.is_empty() && ["no-pool", "no-user"].contains(&problem.code);
    found.into_iter().filter(|problem| !follows(problem)).collect()
}
