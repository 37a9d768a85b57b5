//! Messages out of a stream of bytes, and into one: each has a flag for compression and its length before it.

use thiserror::Error;

/// Longest message that is taken. A block has at most some 125 kB, which are three times as many here, where hashes and
/// scripts are written in hexadecimal digits.
pub(super) const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// The flag, and the length in four bytes, big-endian.
const HEAD_BYTES: usize = 5;

/// What cannot be taken; nothing that follows it can be, either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Unreadable {
    #[error("a message of {0} bytes; at most {MAX_MESSAGE_BYTES} are taken")]
    TooLong(u32),
    #[error("a compressed message, which was not asked for")]
    Compressed,
}

/// Collects bytes and yields whole messages. Holds no more than what came in of an unfinished one, whatever length it
/// says that it has.
#[derive(Debug, Default)]
pub(super) struct Messages {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Messages {
    /// Takes bytes from the front of `input` until a message is whole and returns it; `None` when `input` is used up.
    /// Call it again until then.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        take(&mut self.head, HEAD_BYTES, input);
        let [flag, b3, b2, b1, b0] = self.head[..] else { return Ok(None) };
        let length = u32::from_be_bytes([b3, b2, b1, b0]);
        if flag != 0 {
            return Err(Unreadable::Compressed);
        }
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        if wanted > MAX_MESSAGE_BYTES {
            return Err(Unreadable::TooLong(length));
        }
        take(&mut self.body, wanted, input);
        if self.body.len() < wanted {
            return Ok(None);
        }
        self.head.clear();
        Ok(Some(std::mem::take(&mut self.body)))
    }
}

/// Moves bytes from the front of `input` until `to` has `wanted`.
fn take(to: &mut Vec<u8>, wanted: usize, input: &mut &[u8]) {
    let missing = wanted.saturating_sub(to.len()).min(input.len());
    let (taken, rest) = input.split_at(missing);
    to.extend_from_slice(taken);
    *input = rest;
}

/// A message as it goes out.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + message.len());
    out.push(0);
    // None of ours is longer than what the node sent.
    out.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(message);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(stream: &[u8], pieces: usize) -> Result<Vec<Vec<u8>>, Unreadable> {
        let (mut messages, mut found) = (Messages::default(), Vec::new());
        for mut piece in stream.chunks(pieces) {
            while let Some(message) = messages.next(&mut piece)? {
                found.push(message);
            }
        }
        Ok(found)
    }

    #[test]
    fn what_cannot_be_taken_is_refused_before_it_comes() {
        let mut messages = Messages::default();
        let fits = u32::try_from(MAX_MESSAGE_BYTES).unwrap();
        let mut head = [vec![0], fits.to_be_bytes().to_vec()].concat();
        assert_eq!(messages.next(&mut head.as_slice()), Ok(None));
        assert!(messages.body.capacity() < 1024, "nothing is set aside for what only was announced");
        head[1..].copy_from_slice(&(fits + 1).to_be_bytes());
        assert_eq!(Messages::default().next(&mut head.as_slice()), Err(Unreadable::TooLong(fits + 1)));
        assert_eq!(Messages::default().next(&mut &[1, 0, 0, 0, 0][..]), Err(Unreadable::Compressed));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
            pieces in 1_usize..60,
        ) {
            let stream: Vec<u8> = sent.iter().flat_map(|message| framed(message)).collect();
            prop_assert_eq!(all(&stream, pieces).unwrap(), sent);
        }

        #[test]
        fn any_bytes_are_handled(stream in proptest::collection::vec(any::<u8>(), 0..100), pieces in 1_usize..20) {
            prop_assert_eq!(all(&stream, pieces), all(&stream, 1));
        }
    }
}
