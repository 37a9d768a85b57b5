//! Monero wallets: what a pool is sent, and what a node pays.

use super::{ACCOUNT_HELP, another_network, mistyped, odd_suffix, solo_suffix, unchecked};
use crate::config::resolve::Resolver;
use crate::problem::Problem;
use crate::wallet::monero::{Kind, Network, UserText, judge};
use crate::wallet::shortened;

pub(super) fn pool_problem(resolver: &mut Resolver<'_>, text: &str) -> Option<Problem> {
    match judge(text) {
        UserText::Address(address, suffix) => {
            if address.network != Network::Mainnet {
                return Some(another_network(text, &format!("Monero's {}", address.network.name())));
            }
            if let Some(suffix) = suffix {
                resolver.warn(odd_suffix(suffix));
            }
            None
        }
        UserText::Mistyped(base, error) => {
            Some(mistyped("Monero", base, &error.to_string()).help(ACCOUNT_HELP))
        }
        UserText::Other => {
            resolver.warn(unchecked("Monero", text));
            None
        }
    }
}

pub(super) fn solo_problem(resolver: &mut Resolver<'_>, text: &str) -> Option<Problem> {
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
        UserText::Address(_, Some(suffix)) => Some(solo_suffix(suffix)),
        UserText::Mistyped(base, error) => {
            Some(mistyped("Monero", base, &error.to_string()).help("copy the address again"))
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
