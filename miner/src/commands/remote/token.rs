//! The token that a miner's interface wants, as the one who asks has it.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::config::secrets::read_first_line;
use crate::config::{self, Env};
use crate::problem::Problem;
use crate::service::unit;

/// The file that a miner makes in its state folder.
const FILE_NAME: &str = "api-token";

/// The token that is named by an option or a variable. Else, for a miner that is `here`, on this machine: the one in the
/// file that the settings name, or that a miner of this user made. These are shown to no other machine.
///
/// # Errors
/// When a file is named that holds none.
pub(super) fn find(
    named: Option<&Path>,
    env: Env<'_>,
    here: Option<Option<&Path>>,
) -> Result<Option<SecretString>, Problem> {
    if let Some(path) = named {
        return read(path).map(Some);
    }
    if let Some(token) = env("RMINER_API_TOKEN") {
        return Ok(Some(token.trim().to_owned().into()));
    }
    if let Some(path) = env("RMINER_API_TOKEN_FILE") {
        return read(&PathBuf::from(path)).map(Some);
    }
    let Some(configured) = here else { return Ok(None) };
    let paths = match configured {
        Some(path) => vec![path.to_owned()],
        None => usual(env, Path::new("/")),
    };
    // Of another user, or not there: then the miner will say that it wants one.
    Ok(paths.iter().find_map(|path| read_first_line(path).ok()).map(|(token, _)| token))
}

/// Where a miner of this machine keeps its token. While the service runs its files come first: only root can read them.
fn usual(env: Env<'_>, root: &Path) -> Vec<PathBuf> {
    let own = config::state_folder(env).map(|folder| folder.join(FILE_NAME));
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let service = [at(unit::TOKEN), at(unit::STATE).join(FILE_NAME)];
    if at("/sys/fs/cgroup/system.slice").join(unit::NAME).exists() {
        service.into_iter().chain(own).collect()
    } else {
        own.into_iter().chain(service).collect()
    }
}

fn read(path: &Path) -> Result<SecretString, Problem> {
    read_first_line(path).map(|(token, _)| token).map_err(|why| {
        let summary = format!("{} has no token: {why}", path.display());
        Problem::error("api-token", summary)
            .help("its first line is the token, and you must be able to read it")
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_token_of_a_running_service_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let env = |name: &str| (name == "XDG_STATE_HOME").then(|| "/somewhere/state".to_owned());
        let own = PathBuf::from("/somewhere/state/rminer/api-token");
        let paths = usual(&env, folder.path());
        assert_eq!((paths.len(), &paths[0]), (3, &own));
        std::fs::create_dir_all(folder.path().join("sys/fs/cgroup/system.slice/rminer.service")).unwrap();
        let paths = usual(&env, folder.path());
        assert_eq!(paths[0], folder.path().join("etc/rminer/api-token"));
        assert_eq!(paths[1], folder.path().join("var/lib/rminer/api-token"));
        assert_eq!(paths[2], own);
    }

    #[test]
    fn the_nearest_token_counts_and_the_own_one_stays_here() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, token: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, format!("{token}\n")).unwrap();
            path
        };
        let named = write("named", "of-the-flag");
        let in_env = write("in-env", "of-the-variable");
        write("rminer/api-token", "of-the-state-folder");
        let state = folder.path().to_str().unwrap();
        let found = |named: Option<&Path>, variables: &[(&str, &str)], here| {
            let env = |name: &str| {
                let own = (name == "XDG_STATE_HOME").then(|| state.to_owned());
                own.or_else(|| {
                    variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
                })
            };
            let token = find(named, &env, here).unwrap();
            token.map(|token| token.expose_secret().to_owned())
        };
        let file = [("RMINER_API_TOKEN_FILE", in_env.to_str().unwrap())];
        let both = [("RMINER_API_TOKEN", "of-the-environment"), file[0]];
        assert_eq!(found(Some(&named), &both, None).as_deref(), Some("of-the-flag"));
        assert_eq!(found(None, &both, None).as_deref(), Some("of-the-environment"));
        assert_eq!(found(None, &file, None).as_deref(), Some("of-the-variable"));
        let configured = write("configured", "of-the-settings");
        assert_eq!(found(None, &[], Some(Some(&configured))).as_deref(), Some("of-the-settings"));
        assert_eq!(found(None, &[], Some(None)).as_deref(), Some("of-the-state-folder"));
        assert_eq!(found(None, &[], None), None, "the own token goes to no other machine");
        assert!(find(Some(Path::new("/nonexistent")), &|_| None, Some(None)).is_err());
    }
}
