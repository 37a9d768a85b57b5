//! Kaspa wallets: what a pool is sent.

use rminer_stratum::address::KaspaNetwork;

use super::{ACCOUNT_HELP, another_network, mistyped, odd_suffix, solo_suffix, unchecked};
use crate::config::resolve::Resolver;
use crate::problem::Problem;
use crate::wallet::kaspa::{UserText, judge};
use crate::wallet::shortened;

pub(super) fn pool_problem(resolver: &mut Resolver<'_>, text: &str) -> Option<Problem> {
    match judge(text) {
        UserText::Address(address, suffix) => {
            if address.network != KaspaNetwork::Mainnet {
                return Some(another_network(text, &format!("Kaspa's {}", address.network)));
            }
            // A name of the rig behind a dot is what every pool of Kaspa reads.
            if let Some(suffix) = suffix.filter(|suffix| !suffix.starts_with('.')) {
                resolver.warn(odd_suffix(suffix));
            }
            None
        }
        UserText::Mistyped(base, error) => {
            Some(mistyped("Kaspa", base, &error.to_string()).help(ACCOUNT_HELP))
        }
        UserText::Other => {
            resolver.warn(unchecked("Kaspa", text));
            None
        }
    }
}

/// A block pays what it is told to, on whatever network the node is: the node says which when it is asked.
pub(super) fn solo_problem(text: &str) -> Option<Problem> {
    match judge(text) {
        UserText::Address(_, Some(suffix)) => Some(solo_suffix(suffix)),
        UserText::Address(_, None) if text.contains(':') => None,
        UserText::Address(_, None) => {
            let summary = format!("the address {} lacks the name of its network", shortened(text));
            Some(Problem::error("wallet-network", summary).help(format!("write it as kaspa:{text}")))
        }
        UserText::Mistyped(base, error) => {
            Some(mistyped("Kaspa", base, &error.to_string()).help("copy the address again"))
        }
        UserText::Other => {
            let summary = format!("solo mining needs a Kaspa address, and `{}` is none", shortened(text));
            let help = "give an address of your wallet as --user, network and all: kaspa:q...";
            Some(Problem::error("wallet-needed", summary).help(help))
        }
    }
}
