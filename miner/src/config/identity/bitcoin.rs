//! Wallets of Bitcoin and its kin: what a pool is sent, and what a block pays.

use rminer_stratum::address::Network;

use super::{ACCOUNT_HELP, another_network, mistyped, odd_suffix, solo_suffix, unchecked};
use crate::config::resolve::Resolver;
use crate::problem::Problem;
use crate::wallet::bitcoin::{UserText, judge};
use crate::wallet::{monero, shortened};

pub(super) fn pool_problem(resolver: &mut Resolver<'_>, text: &str) -> Option<Problem> {
    match judge(text) {
        UserText::Address(payout, suffix) => {
            if payout.network != Network::Main {
                return Some(another_network(text, &payout.network.to_string()));
            }
            // A name of the rig behind a dot is what every pool of Bitcoin reads.
            if let Some(suffix) = suffix.filter(|suffix| !suffix.starts_with('.')) {
                resolver.warn(odd_suffix(suffix));
            }
            None
        }
        UserText::Mistyped(base, error) => {
            Some(mistyped("Bitcoin", base, &error.to_string()).help(ACCOUNT_HELP))
        }
        UserText::Other => of_another_coin(text).or_else(|| {
            resolver.warn(unchecked("Bitcoin", text));
            None
        }),
    }
}

/// A block pays what it is told to, so there is no leniency here.
pub(super) fn solo_problem(text: &str) -> Option<Problem> {
    match judge(text) {
        UserText::Address(_, None) => None,
        UserText::Address(_, Some(suffix)) => Some(solo_suffix(suffix)),
        UserText::Mistyped(base, error) => {
            Some(mistyped("Bitcoin", base, &error.to_string()).help("copy the address again"))
        }
        UserText::Other => of_another_coin(text).or_else(|| {
            let summary = format!("solo mining needs a Bitcoin address, and `{}` is none", shortened(text));
            let help = "give an address of your wallet as --user: 1..., 3..., bc1... or bitcoincash:...";
            Some(Problem::error("wallet-needed", summary).help(help))
        }),
    }
}

/// A Monero wallet where Bitcoin is mined.
fn of_another_coin(text: &str) -> Option<Problem> {
    let monero::UserText::Address(..) = monero::judge(text) else { return None };
    let summary =
        format!("the user {} is a Monero address, and the algorithm is not Monero's", shortened(text));
    let help = "give an address or account of the coin that is mined, or choose --algo randomx";
    Some(Problem::error("wallet-coin", summary).help(help))
}
