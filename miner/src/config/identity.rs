//! Who mines: is the wallet one, and did each of user, password and worker go into its own field?
//!
//! Other miners have other letters for the same things (`-p` is the pool of one, `-w` the wallet of another),
//! so what a text looks like is checked, and the right flag named.

mod bitcoin;
mod kaspa;
mod monero;

use rminer_algos::Family;
use rminer_stratum::endpoint::{PoolUrl, Protocol, redact_url};

use super::raw::Given;
use super::resolve::Resolver;
use crate::problem::Problem;
use crate::wallet::{looks_like_wallet, shortened};

/// Longest user or worker name, in bytes: several addresses with all their suffixes.
const MAX_NAME_BYTES: usize = 512;

/// Checks a user, and says whether it can be used.
pub(super) fn check_user(
    resolver: &mut Resolver<'_>,
    given: &Given,
    protocol: Protocol,
    family: Family,
    is_account: bool,
) -> bool {
    let text = given.text.trim();
    if let Some(problem) = unfit_for_the_wire("user", text) {
        resolver.error(problem, given);
        return false;
    }
    if looks_like_pool(text) {
        let problem = Problem::error(
            "user-is-pool",
            format!("the user `{}` is an address of a pool", redact_url(text)),
        )
        .help("give the pool as --pool (-o), and your wallet as --user (-u)");
        resolver.error(problem, given);
        return false;
    }
    let problem = match (protocol, family) {
        (Protocol::Monerod, _) => monero::solo_problem(resolver, text),
        (Protocol::Gbt, _) => bitcoin::solo_problem(text),
        (Protocol::Kaspad, _) => kaspa::solo_problem(text),
        (Protocol::Stratum, _) if is_account => None,
        (Protocol::Stratum, Family::Monero) => monero::pool_problem(resolver, text),
        (Protocol::Stratum, Family::Bitcoin) => bitcoin::pool_problem(resolver, text),
        (Protocol::Stratum, Family::Kaspa) => kaspa::pool_problem(resolver, text),
    };
    match problem {
        Some(problem) => {
            resolver.error(problem, given);
            false
        }
        None => true,
    }
}

/// A rig name that looks like a wallet belongs elsewhere.
pub(super) fn check_worker(resolver: &mut Resolver<'_>, given: &Given) {
    if let Some(problem) = unfit_for_the_wire("worker name", &given.text) {
        resolver.error(problem, given);
    }
    if looks_like_wallet(&given.text) {
        let summary = format!("the worker name {} looks like a wallet", shortened(&given.text));
        let problem = Problem::error("worker-is-wallet", summary);
        resolver.error(
            problem.help("give the wallet as --user (-u), and the name of the rig as --worker (-w)"),
            given,
        );
    }
}

/// A password that looks like a pool belongs elsewhere. Its text is not repeated.
pub(super) fn check_pass(resolver: &mut Resolver<'_>, given: &Given) {
    if looks_like_pool(&given.text) {
        let problem = Problem::error("password-is-pool", "the password looks like the address of a pool");
        resolver.error(problem.help("give the pool as --pool (-o); -p is the password here"), given);
    } else if looks_like_wallet(&given.text) {
        let problem = Problem::error("password-is-wallet", "the password looks like a wallet");
        resolver.error(problem.help("give the wallet as --user (-u)"), given);
    }
}

const ACCOUNT_HELP: &str = "copy the address again; if the pool wants an account name, add --user-is-account";

fn mistyped(coin: &str, text: &str, why: &str) -> Problem {
    Problem::error("wallet-checksum", format!("the user is not a valid {coin} address"))
        .fact(format!("{}: {why}.", shortened(text)))
        .fact("Nothing was mined.")
}

fn another_network(text: &str, network: &str) -> Problem {
    let summary = format!("{} is an address of {network}", shortened(text));
    Problem::error("wallet-network", summary).help("for a pool of that network, add --user-is-account")
}

fn unchecked(coin: &str, text: &str) -> Problem {
    let summary = format!("the user `{}` is not a {coin} address, so it cannot be checked", shortened(text));
    Problem::warning("user-unchecked", summary)
        .fact("Right for an account name or another coin's address; the pool decides.")
}

/// A node pays exactly what it is told.
fn solo_suffix(suffix: &str) -> Problem {
    let summary = format!("solo mining pays to the bare address, but `{suffix}` stands behind it");
    Problem::error("wallet-suffix", summary).help("only pools read a suffix; remove it")
}

fn odd_suffix(suffix: &str) -> Problem {
    let summary = format!("the pool is sent `{suffix}` behind the wallet and will read it in its own way");
    Problem::warning("user-suffix", summary)
}

/// Pools read lines of limited length, and show names to people.
fn unfit_for_the_wire(what: &str, text: &str) -> Option<Problem> {
    if text.len() > MAX_NAME_BYTES {
        let summary = format!("the {what} has {} bytes, more than {MAX_NAME_BYTES}", text.len());
        return Some(Problem::error("name-length", summary).help("shorten it"));
    }
    let control = text.chars().position(char::is_control)?;
    let summary = format!("the {what} has a control character at place {}", control + 1);
    Some(Problem::error("name-control", summary).help("write it again by hand"))
}

/// With a scheme, or a dotted host and a port behind it.
fn looks_like_pool(text: &str) -> bool {
    let Ok(url) = text.parse::<PoolUrl>() else { return false };
    let host = url.host().to_string();
    url.scheme_given()
        || (url.login().is_none() && (host.contains('.') || host.starts_with('[') || host == "localhost"))
}
