//! Whole pictures, looked at once and kept.

use super::*;

const SIZES: [(u16, u16); 3] = [(60, 15), (80, 24), (160, 50)];

fn pictures(name: &str, data: &Data) {
    let view = View::new(data, &around());
    for (wide, high) in SIZES {
        let look = Look { ascii: false, color: true };
        insta::assert_snapshot!(format!("{name}-{wide}x{high}"), picture(&view, look, wide, high));
    }
}

#[test]
fn mining_rigs() {
    pictures("mining", &mining());
}

#[test]
fn rigs_that_are_too_hot() {
    pictures("paused-by-heat", &paused_by_heat());
}

#[test]
fn rigs_without_a_pool() {
    pictures("no-pool", &no_pool());
}

#[test]
fn hostile_texts() {
    pictures("hostile", &hostile());
}

#[test]
fn ascii_has_no_other_letters() {
    for data in [mining(), hostile()] {
        let around = Around { open: Some((Topic::Keys, 0)), ..around() };
        let view = View::new(&data, &around);
        let shown = picture(&view, Look { ascii: true, color: false }, 100, 30);
        let letters: String = shown.buffer().content().iter().map(ratatui::buffer::Cell::symbol).collect();
        assert!(letters.is_ascii(), "{shown}");
    }
    let view = View::new(&mining(), &around());
    insta::assert_snapshot!("ascii-80x24", picture(&view, Look { ascii: true, color: false }, 80, 24));
}

#[test]
fn a_text_to_read_stands_over_all_else() {
    let lines: Vec<String> = (0..60).map(|number| format!("line {number}")).collect();
    let data = Data { told: Some((Topic::Threads, lines)), ..mining() };
    let view = View::new(&data, &Around { open: Some((Topic::Threads, 9000)), ..around() });
    insta::assert_snapshot!("popup-80x24", picture(&view, Look { ascii: false, color: true }, 80, 24));
    let view = View::new(&data, &Around { open: Some((Topic::Why, 0)), ..around() });
    let shown = picture(&view, Look::default(), 80, 24).to_string();
    assert!(shown.contains("asking ..."), "the answer to another question is not shown: {shown}");
}

#[test]
fn a_small_window_says_so_in_one_line() {
    for (wide, high) in [(59, 24), (80, 14), (1, 1), (20, 3)] {
        let shown = picture(&View::new(&mining(), &around()), Look::default(), wide, high);
        let letters: String = shown.buffer().content().iter().map(ratatui::buffer::Cell::symbol).collect();
        let lines = letters.as_bytes().chunks(usize::from(wide)).filter(|line| !line.trim_ascii().is_empty());
        assert_eq!(lines.count(), 1, "{shown}");
        assert!(
            "rminer: this window has".starts_with(letters.trim().get(..5.min(usize::from(wide))).unwrap())
        );
    }
}

#[test]
fn colours_are_of_the_palette_of_16_and_never_alone() {
    use ratatui::style::Color;
    let view = View::new(&paused_by_heat(), &around());
    let allowed = [Color::Reset, Color::Green, Color::Yellow, Color::Red];
    let shown = picture(&view, Look { ascii: false, color: true }, 160, 50);
    assert!(
        shown.buffer().content().iter().all(|cell| allowed.contains(&cell.fg) && cell.bg == Color::Reset)
    );
    assert!(shown.buffer().content().iter().any(|cell| cell.fg == Color::Yellow));
    let plain = picture(&view, Look::default(), 160, 50);
    assert!(
        plain.buffer().content().iter().all(|cell| cell.fg == Color::Reset),
        "without colour there is none"
    );
    assert_eq!(shown.to_string(), plain.to_string(), "the letters are the same");
}
