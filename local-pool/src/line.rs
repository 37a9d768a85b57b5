//! Bytes to lines, with a bound.

/// Longest line that the pool takes, in bytes.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// What one piece of input, cut behind each newline, made of the line so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The newline has not come yet.
    Partial,
    /// A line without its end and without surrounding blanks and NULs.
    Line(Vec<u8>),
    /// More than the limit without a newline.
    TooLong,
}

/// Collects one line.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Takes a piece that has at most one newline, at its end; lines longer than `limit` are refused.
    pub(crate) fn push(&mut self, piece: &[u8], limit: usize) -> Piece {
        if self.0.len() + piece.len() > limit {
            self.0 = Vec::new();
            return Piece::TooLong;
        }
        self.0.extend_from_slice(piece);
        if piece.last() != Some(&b'\n') {
            return Piece::Partial;
        }
        let line = std::mem::take(&mut self.0);
        let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
        let start = line.iter().position(|byte| !blank(byte)).unwrap_or(line.len());
        let end = line.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
        Piece::Line(line[start..end].to_vec())
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blanks_and_bounds() {
        let mut buffer = LineBuffer::default();
        assert_eq!(buffer.push(b" {}\0", MAX_LINE_BYTES), Piece::Partial);
        assert_eq!(buffer.push(b" \r\n", MAX_LINE_BYTES), Piece::Line(b"{}".to_vec()));
        assert_eq!(buffer.push(b"\r\n", MAX_LINE_BYTES), Piece::Line(Vec::new()));
        let mut longest = vec![b'x'; MAX_LINE_BYTES - 1];
        longest.push(b'\n');
        assert_eq!(
            buffer.push(&longest, MAX_LINE_BYTES),
            Piece::Line(longest[..MAX_LINE_BYTES - 1].to_vec())
        );
        longest.insert(0, b'x');
        assert_eq!(buffer.push(&longest, MAX_LINE_BYTES), Piece::TooLong);
        assert_eq!(buffer.len(), 0);
    }

    proptest! {
        /// Any cutting of the stream gives the lines of the uncut one.
        #[test]
        fn cutting_does_not_matter(text in "[a-c\n]{0,200}", cuts in proptest::collection::vec(1usize..20, 1..50)) {
            let mut buffer = LineBuffer::default();
            let mut lines = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, tail) = rest.split_at(cut.min(rest.len()));
                rest = tail;
                for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
                    if let Piece::Line(line) = buffer.push(piece, MAX_LINE_BYTES) {
                        lines.push(String::from_utf8(line).unwrap());
                    }
                }
            }
            let mut want: Vec<&str> = text.split('\n').collect();
            want.pop();
            prop_assert_eq!(lines, want);
        }
    }
}
