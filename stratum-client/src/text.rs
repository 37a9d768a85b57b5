//! Text from a peer, made safe to show.

use std::fmt::Write as _;

/// Longest text of a peer that is shown, in characters.
pub const MAX_SHOWN_CHARS: usize = 200;

/// `text` with everything that could steer a terminal or hide itself escaped (control characters, line breaks,
/// marks that turn the writing direction, invisible ones), cut to [`MAX_SHOWN_CHARS`].
pub fn clean(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.trim().chars().enumerate() {
        if count == MAX_SHOWN_CHARS {
            shown.push('…');
            break;
        }
        if harmless(character) {
            shown.push(character);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
    }
    shown
}

/// As [`clean`], for bytes that may be no text at all.
pub fn clean_bytes(bytes: &[u8]) -> String {
    // Four bytes a character at most, so this prefix holds all that can be shown.
    clean(&String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MAX_SHOWN_CHARS + 4)]))
}

fn harmless(character: char) -> bool {
    let directional = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !character.is_control() && !directional
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_steers_a_terminal() {
        assert_eq!(clean("\x1b[2Jgone\x07\r\n"), "\\u{1b}[2Jgone\\u{7}");
        assert_eq!(clean("a\u{202e}b\u{200f}"), "a\\u{202e}b\\u{200f}");
        assert_eq!(clean("Größe 你好"), "Größe 你好");
        assert_eq!(clean_bytes(b"ok\xff"), "ok\u{fffd}");
    }

    #[test]
    fn is_bounded() {
        let shown = clean(&"\x1b".repeat(1_000_000));
        assert_eq!(shown.chars().count(), MAX_SHOWN_CHARS * "\\u{1b}".len() + 1);
        assert_eq!(clean_bytes(&vec![b'x'; 1_000_000]).chars().count(), MAX_SHOWN_CHARS + 1);
    }
}
