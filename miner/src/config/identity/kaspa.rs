//! Kaspa wallets: what a pool is sent.

use rminer_stratum::address::KaspaNetwork;

use super::{ACCOUNT_HELP, another_network, mistyped, odd_suffix, unchecked};
use crate::config::resolve::Resolver;
use crate::problem::Problem;
use crate::wallet::kaspa::{UserText, judge};

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
