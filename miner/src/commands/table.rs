//! Columns of text, each as wide as its widest cell.

/// Lines of the rows, the first of them the heading; the last column is not padded.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["A".into(), "B".into()], ["long".into(), "µ".into()], [String::new(), "x".into()]];
        assert_eq!(table(&rows), "A     B\nlong  µ\n      x\n");
    }
}
