//! A line over time out of letters: Braille dots, or plain ASCII where the terminal has no Unicode.

use crate::ui::hashrate;

/// Dots of a Braille letter: two beside, four above each other, and the bit of each.
const BRAILLE_WIDE: usize = 2;
const BRAILLE_HIGH: usize = 4;
const BRAILLE_BITS: [[u32; BRAILLE_HIGH]; BRAILLE_WIDE] =
    [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const BRAILLE_BLANK: u32 = 0x2800;
/// Rates that are all above this part of the highest are shown without the space down to zero.
const CLOSE: f64 = 0.8;
/// Letters before the line: a rate.
pub(super) const LABEL_WIDE: usize = 11;

/// What the chart shows of a range of rates, in hashes per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) low_hs: f64,
    pub(super) high_hs: f64,
}

/// From zero, or from a little below where all rates are close to each other; `None` where none is known.
pub(super) fn scale(points: &[Option<f64>]) -> Option<Scale> {
    let known = || points.iter().flatten().copied();
    let (lowest, highest) = (known().reduce(f64::min)?, known().reduce(f64::max)?);
    if highest <= 0.0 {
        return None;
    }
    let low_hs = if lowest > CLOSE * highest { CLOSE * highest } else { 0.0 };
    Some(Scale { low_hs, high_hs: highest })
}

/// Lines of the chart, the highest first, each with its label: `wide` letters in all.
pub(super) fn lines(points: &[Option<f64>], wide: usize, high: usize, ascii: bool) -> Vec<String> {
    let (Some(scale), true) = (scale(points), wide > LABEL_WIDE && high > 0) else {
        return vec!["no rate is known yet".into()];
    };
    let columns = wide - LABEL_WIDE - 1;
    let (dots_wide, dots_high) = if ascii { (1, 1) } else { (BRAILLE_WIDE, BRAILLE_HIGH) };
    let heights = heights(points, scale, columns * dots_wide, high * dots_high);
    let mut letters = vec![vec![0_u32; columns]; high];
    let mut before = None;
    for (x, height) in heights.iter().enumerate() {
        if let Some(y) = height {
            // What lies between this and the one before it belongs to the line.
            let from = before
                .map_or(*y, |last: usize| if last < *y { last + 1 } else { last.saturating_sub(1).max(*y) });
            for dot in from.min(*y)..=from.max(*y) {
                let row = high - 1 - dot / dots_high;
                let in_letter = dots_high - 1 - dot % dots_high;
                letters[row][x / dots_wide] |= if ascii { 1 } else { BRAILLE_BITS[x % dots_wide][in_letter] };
            }
        }
        before = *height;
    }
    let label = |row: usize| match row {
        0 => hashrate(Some(scale.high_hs)),
        row if row == high - 1 => hashrate(Some(scale.low_hs)),
        _ => String::new(),
    };
    let letter = |bits: u32| match (ascii, bits) {
        (_, 0) => ' ',
        (true, _) => '*',
        (false, bits) => char::from_u32(BRAILLE_BLANK + bits).unwrap_or('*'),
    };
    let line = |(row, bits): (usize, Vec<u32>)| {
        let drawn: String = bits.into_iter().map(letter).collect();
        format!("{:>LABEL_WIDE$} {}", label(row), drawn.trim_end())
    };
    letters.into_iter().enumerate().map(line).collect()
}

/// The height of each column in dots, the newest at the right end; the mean where several points share a column.
fn heights(points: &[Option<f64>], scale: Scale, columns: usize, dots_high: usize) -> Vec<Option<usize>> {
    let top = dots_high.saturating_sub(1);
    #[allow(clippy::cast_precision_loss)]
    let top_dots = top as f64;
    let column = |x: usize| {
        let (from, to) = (x * points.len() / columns, ((x + 1) * points.len()).div_ceil(columns));
        let of_column: Vec<f64> = points[from..to.min(points.len())].iter().flatten().copied().collect();
        if of_column.is_empty() {
            return None;
        }
        #[allow(clippy::cast_precision_loss)]
        let mean_hs = of_column.iter().sum::<f64>() / of_column.len() as f64;
        let ratio = ((mean_hs - scale.low_hs) / (scale.high_hs - scale.low_hs)).clamp(0.0, 1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let dots = (ratio * top_dots).round() as usize;
        Some(dots.min(top))
    };
    (0..columns).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_where_the_rates_go() {
        let points: Vec<_> = (0..=9).map(|number| Some(f64::from(number) * 100.0)).collect();
        let drawn = lines(&points, LABEL_WIDE + 11, 5, true);
        let wanted = [
            "  900.0 H/s         **",
            "                  **",
            "                **",
            "              **",
            "   0.00 H/s **",
        ];
        assert_eq!(drawn, wanted);
        let drawn = lines(&points, LABEL_WIDE + 6, 2, false);
        assert_eq!(drawn, ["  900.0 H/s   ⢀⠤⠊", "   0.00 H/s ⡠⠒⠁"]);
    }

    #[test]
    fn steps_are_joined_and_gaps_stay_gaps() {
        let points = [Some(90.0), None, None, Some(100.0)];
        let drawn = lines(&points, LABEL_WIDE + 5, 3, true);
        assert_eq!(drawn, ["  100.0 H/s    *", "            *", "   80.0 H/s "]);
        assert_eq!(
            scale(&points),
            Some(Scale { low_hs: 80.0, high_hs: 100.0 }),
            "close rates fill the height"
        );
        let drawn = lines(&[Some(0.0), Some(100.0), Some(0.0)], LABEL_WIDE + 4, 3, true);
        assert_eq!(drawn, ["  100.0 H/s  *", "             **", "   0.00 H/s * *"]);
        for none in [&[][..], &[None, None], &[Some(0.0)]] {
            assert_eq!(lines(none, 60, 5, false), ["no rate is known yet"]);
        }
        assert_eq!(lines(&points, 5, 3, true).len(), 1, "no room");
    }
}
