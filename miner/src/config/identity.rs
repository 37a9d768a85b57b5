//! Who mines: is the wallet one, and did each of user, password and worker go into its own field?
//!
//! Other miners have other letters for the same things (`-p` is the pool of one, `-w` the wallet of another),
//! so what a text looks like is checked, and the right flag named.

use rminer_algos::Family;
use rminer_stratum::endpoint::{PoolUrl, Protocol, redact_url};

use super::raw::Given;
use super::resolve::Resolver;
use crate::problem::Problem;
use crate::wallet::{Kind, Network, UserText, judge, looks_like_wallet, shortened};

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
        (Protocol::Monerod, _) => solo_problem(resolver, text),
        (Protocol::Stratum, _) if is_account => None,
        (Protocol::Stratum, Family::Monero) => pool_problem(resolver, text),
        (Protocol::Stratum | Protocol::Gbt, _) => of_another_coin(text),
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

const ACCOUNT_HELP: &str = "copy the address again; if the pool wants an account name, add --user-is-account";

fn pool_problem(resolver: &mut Resolver<'_>, text: &str) -> Option<Problem> {
    match judge(text) {
        UserText::Address(address, suffix) => {
            if address.network != Network::Mainnet {
                let summary =
                    format!("{} is an address of Monero's {}", shortened(text), address.network.name());
                let help = "for a pool of that network, add --user-is-account";
                return Some(Problem::error("wallet-network", summary).help(help));
            }
            if let Some(suffix) = suffix {
                let summary =
                    format!("the pool is sent `{suffix}` behind the wallet and will read it in its own way");
                resolver.warn(Problem::warning("user-suffix", summary));
            }
            None
        }
        UserText::Mistyped(base, error) => Some(mistyped(base, &error.to_string()).help(ACCOUNT_HELP)),
        UserText::Other => {
            let summary =
                format!("the user `{}` is not a Monero address, so it cannot be checked", shortened(text));
            let fact = "Right for an account name or another coin's address; the pool decides.";
            resolver.warn(Problem::warning("user-unchecked", summary).fact(fact));
            None
        }
    }
}

/// A Monero wallet where Bitcoin is mined.
fn of_another_coin(text: &str) -> Option<Problem> {
    let UserText::Address(..) = judge(text) else { return None };
    let summary =
        format!("the user {} is a Monero address, and the algorithm is not Monero's", shortened(text));
    let help = "give an address or account of the coin that is mined, or choose --algo randomx";
    Some(Problem::error("wallet-coin", summary).help(help))
}

fn solo_problem(resolver: &mut Resolver<'_>, text: &str) -> Option<Problem> {
    match judge(text) {
        UserText::Address(address, None) => {
            if address.kind == Kind::Subaddress {
                let summary =
                    format!("{} is a subaddress, and a node cannot pay a block to one", shortened(text));
                return Some(
                    Problem::error("wallet-subaddress", summary)
                        .help("use the primary address of the wallet (mainnet: it begins with 4)"),
                );
            }
            if address.network != Network::Mainnet {
                let network = address.network.name();
                let summary = format!("{} is an address of Monero's {network}", shortened(text));
                let fact = format!("The node refuses it unless it runs with --{network}.");
                resolver.warn(Problem::warning("wallet-network", summary).fact(fact));
            }
            None
        }
        UserText::Address(_, Some(suffix)) => {
            let summary = format!("solo mining pays to the bare address, but `{suffix}` stands behind it");
            Some(Problem::error("wallet-suffix", summary).help("only pools read a suffix; remove it"))
        }
        UserText::Mistyped(base, error) => {
            Some(mistyped(base, &error.to_string()).help("copy the address again"))
        }
        UserText::Other => {
            let summary = format!("solo mining needs a Monero address, and `{}` is none", shortened(text));
            Some(
                Problem::error("wallet-needed", summary)
                    .help("give the primary address of your wallet as --user"),
            )
        }
    }
}

fn mistyped(text: &str, why: &str) -> Problem {
    Problem::error("wallet-checksum", "the user is not a valid Monero address")
        .fact(format!("{}: {why}.", shortened(text)))
        .fact("Nothing was mined.")
}
