//! "Did you mean": the known word nearest to a mistyped one.

/// The known word that takes fewest single-letter changes, if they are few for its length.
pub(crate) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.trim().to_lowercase();
    // A word much longer than any that is known resembles none of them, and need not be measured.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let scored = known.iter().map(|&known| (distance(&word, known), known));
    scored
        .min()
        .filter(|&(changes, known)| changes <= 1 + known.len().min(word.len()) / 4)
        .map(|(_, known)| known)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let plain = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
                if swapped { plain.min(rows[i - 2][j - 2] + 1) } else { plain }
            };
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["threads", "randomx", "rx", "user"];
        for (word, found) in [
            ("treads", Some("threads")),
            ("randmox", Some("randomx")),
            ("Random-X", Some("randomx")),
            ("usr", Some("user")),
            ("ry", Some("rx")),
            ("kawpow", None),
            ("", None),
        ] {
            assert_eq!(closest(word, &known), found, "{word}");
        }
        assert_eq!(closest("é", &[]), None);
    }
}
