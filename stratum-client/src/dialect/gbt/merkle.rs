//! The tree over a block's transactions.

use rminer_algos::sha256d::sha256d;

/// What stands to the right on the way from the first leaf to the root, lowest first. `others` are the leaves behind the
/// first; a level with an odd number of nodes repeats its last.
pub(super) fn branch(others: &[[u8; 32]]) -> Vec<[u8; 32]> {
    let mut branch = Vec::new();
    // The first node of each level is not known, and not needed.
    let mut level = others.to_vec();
    while let Some((right, rest)) = level.split_first() {
        branch.push(*right);
        level = rest
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node(left, right),
                [last, ..] => node(last, last),
                [] => [0; 32],
            })
            .collect();
    }
    branch
}

/// The root above a first leaf.
pub(super) fn root(first: [u8; 32], branch: &[[u8; 32]]) -> [u8; 32] {
    branch.iter().fold(first, |left, right| node(&left, right))
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    sha256d(&both)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    /// Bitcoin's own rule, on whole levels, hashed by somebody else.
    fn plain_root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
        while level.len() > 1 {
            if level.len() % 2 == 1 {
                level.push(level[level.len() - 1]);
            }
            let above = level.chunks(2).map(|pair| Sha256::digest(Sha256::digest(pair.concat())).into());
            level = above.collect();
        }
        level[0]
    }

    proptest! {
        #[test]
        fn the_branch_leads_to_the_root(leaves in proptest::collection::vec(any::<[u8; 32]>(), 1..70)) {
            prop_assert_eq!(root(leaves[0], &branch(&leaves[1..])), plain_root(leaves));
        }
    }
}
