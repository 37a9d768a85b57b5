//! Lines out of a byte stream, with a bound.

use thiserror::Error;

/// A line grew past the cap; what follows of the stream cannot be trusted, so the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a line of more than {cap} bytes")]
pub struct LineTooLong {
    /// The longest line that is taken, in bytes without its newline.
    pub cap: usize,
}

/// Collects bytes and yields whole lines, without `\n`, `\r`, surrounding spaces and NULs; empty lines vanish.
///
/// Holds at most `cap` bytes of an unfinished line. How the stream was cut into pieces does not matter.
#[derive(Debug)]
pub struct LineSplitter {
    cap: usize,
    buffer: Vec<u8>,
}

impl LineSplitter {
    /// A splitter for lines of at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { cap, buffer: Vec::new() }
    }

    /// Takes bytes from the front of `input` until a line is whole and returns it; `None` when `input` is used
    /// up. Call it again until then.
    ///
    /// # Errors
    /// [`LineTooLong`] as soon as the cap is passed; the splitter is empty after that.
    pub fn next_line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, LineTooLong> {
        while !input.is_empty() {
            let (piece, whole) = match input.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&input[..end], true),
                None => (*input, false),
            };
            if self.buffer.len() + piece.len() > self.cap {
                self.buffer = Vec::new();
                return Err(LineTooLong { cap: self.cap });
            }
            self.buffer.extend_from_slice(piece);
            *input = &input[piece.len() + usize::from(whole)..];
            if whole {
                let line = std::mem::take(&mut self.buffer);
                let trimmed = trim(&line);
                if !trimmed.is_empty() {
                    return Ok(Some(trimmed.to_vec()));
                }
            }
        }
        Ok(None)
    }

    /// Bytes of the unfinished line that are held now.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The unfinished line at the end of the stream: some servers close without a last newline.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.buffer);
        let trimmed = trim(&line);
        (!trimmed.is_empty()).then(|| trimmed.to_vec())
    }
}

fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | 0);
    let start = line.iter().position(|byte| !blank(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &line[start..end]
}

/// Fuzz entry: any bytes in any pieces stay within the cap and give what one piece would give.
#[doc(hidden)]
pub fn fuzz_line(data: &[u8]) {
    const CAP: usize = 64;
    let Some((&step, stream)) = data.split_first() else { return };
    let split = |pieces: usize| {
        let mut splitter = LineSplitter::new(CAP);
        let mut lines = Vec::new();
        for piece in stream.chunks(pieces.max(1)) {
            let mut input = piece;
            loop {
                match splitter.next_line(&mut input) {
                    Ok(Some(line)) => lines.push(line),
                    Ok(None) => break,
                    Err(_) => return (lines, true),
                }
                assert!(splitter.pending() <= CAP);
            }
        }
        lines.extend(splitter.finish());
        (lines, false)
    };
    assert_eq!(split(usize::from(step)), split(stream.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(splitter: &mut LineSplitter, mut input: &[u8]) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let mut lines = Vec::new();
        while let Some(line) = splitter.next_line(&mut input)? {
            lines.push(line);
        }
        Ok(lines)
    }

    #[test]
    fn cap_is_exact() {
        for (len, fits) in [(15, true), (16, true), (17, false)] {
            let mut line = vec![b'x'; len];
            line.push(b'\n');
            assert_eq!(lines(&mut LineSplitter::new(16), &line).is_ok(), fits, "{len}");
        }
        let mut splitter = LineSplitter::new(16);
        assert_eq!(lines(&mut splitter, &[b'x'; 1000]), Err(LineTooLong { cap: 16 }));
        assert_eq!(splitter.pending(), 0);
    }

    #[test]
    fn blanks_vanish() {
        let mut splitter = LineSplitter::new(16);
        assert_eq!(lines(&mut splitter, b"\r\n \0 a b\r\n\n\0\nlast").unwrap(), [b"a b".to_vec()]);
        assert_eq!(splitter.finish(), Some(b"last".to_vec()));
        assert_eq!(splitter.finish(), None);
    }

    proptest! {
        #[test]
        fn chunking_does_not_matter(data in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300)) {
            fuzz_line(&data);
        }
    }
}
