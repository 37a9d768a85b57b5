//! A code for cameras, drawn with letters.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// With what it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Half blocks, black on white whatever the terminal's colours are.
    Coloured,
    /// Half blocks in the terminal's colours, for light letters on a dark ground.
    Blocks,
    /// Number signs, for the same.
    Ascii,
}

/// The picture, each line with its end; `None` for a text that is too long for one.
pub(super) fn draw(text: &str, style: Style) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let picture = match style {
        Style::Ascii => {
            code.render::<char>().module_dimensions(2, 1).light_color('#').dark_color(' ').build()
        }
        Style::Blocks => {
            code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build()
        }
        Style::Coloured => {
            code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build()
        }
    };
    let line = |line: &str| match style {
        Style::Coloured => format!("\u{1b}[30;107m{line}\u{1b}[0m\n"),
        Style::Blocks | Style::Ascii => format!("{line}\n"),
    };
    Some(picture.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_fit_on_a_screen() {
        let text = "http://192.168.100.200:4077/#pair=ABCD1234";
        let blocks = draw(text, Style::Blocks).unwrap();
        assert!(blocks.lines().count() <= 22, "{blocks}");
        assert!(blocks.lines().all(|line| line.chars().count() <= 41), "{blocks}");
        let coloured = draw(text, Style::Coloured).unwrap();
        assert!(coloured.lines().all(|line| line.starts_with("\u{1b}[") && line.ends_with("\u{1b}[0m")));
        let ascii = draw(text, Style::Ascii).unwrap();
        assert!(ascii.is_ascii() && ascii.lines().all(|line| line.len() <= 82), "{ascii}");
        // Light around it, or no camera finds it.
        assert!(ascii.lines().next().unwrap().bytes().all(|letter| letter == b'#'));
        assert_eq!(draw(&"x".repeat(10_000), Style::Blocks), None);
    }

    /// The picture is the code: read back module by module.
    #[test]
    fn what_is_drawn_is_what_is_meant() {
        let text = "http://192.0.2.7:4077/#pair=ABCD1234";
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let ascii = draw(text, Style::Ascii).unwrap();
        let lines: Vec<&[u8]> = ascii.lines().map(str::as_bytes).collect();
        let quiet = (lines.len() - code.width()) / 2;
        for y in 0..code.width() {
            for x in 0..code.width() {
                let dark = lines[y + quiet][2 * (x + quiet)] == b' ';
                assert_eq!(dark, code[(x, y)] == qrcode::Color::Dark, "{x} {y}");
            }
        }
    }
}
