//! The first bytes that a server says: they tell whether it speaks HTTP/2 at all, and what else.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connect::{BoxedStream, Route};

/// Type of the frame that every server of HTTP/2 begins with.
const SETTINGS: u8 = 4;

/// What came first, at most four bytes.
#[derive(Debug, Default)]
pub(super) struct FirstBytes(OnceLock<[u8; 4]>);

/// Something that is not HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    Stratum,
    Http,
    Tls,
    Unknown,
}

impl FirstBytes {
    /// Nothing came at all.
    pub(super) fn is_silent(&self) -> bool {
        self.0.get().is_none()
    }

    /// Who speaks, when it is not HTTP/2.
    pub(super) fn stranger(&self) -> Option<Stranger> {
        match self.0.get()? {
            // The length of a frame in three bytes, and its type. Settings are short.
            [0, 0, _, SETTINGS] => None,
            // The first of them came alone.
            [0, 0, _, 0] => None,
            [b'{' | b'[', ..] => Some(Stranger::Stratum),
            [b'H', b'T', b'T', b'P' | 0] | [b'<', ..] => Some(Stranger::Http),
            [0x15 | 0x16, ..] => Some(Stranger::Tls),
            _ => Some(Stranger::Unknown),
        }
    }
}

impl Stranger {
    /// What to do about it.
    pub(super) fn advice(self, route: &Route) -> String {
        match self {
            Self::Stratum => format!("; use stratum+tcp://{route}"),
            Self::Http | Self::Unknown => "; its gRPC port is 16110 on mainnet".into(),
            Self::Tls => "; its gRPC port, 16110 on mainnet, is not encrypted".into(),
        }
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stratum => "a stratum pool",
            Self::Http => "an HTTP server",
            Self::Tls => "a server of TLS",
            Self::Unknown => "something else than HTTP/2",
        })
    }
}

/// A connection whose first bytes are kept.
pub(super) struct Overheard {
    stream: BoxedStream,
    first: Arc<FirstBytes>,
}

impl Overheard {
    pub(super) fn new(stream: BoxedStream, first: Arc<FirstBytes>) -> Self {
        Self { stream, first }
    }
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = buffer.filled().get(before..).unwrap_or_default();
        if !came.is_empty() && self.first.is_silent() {
            let mut first = [0; 4];
            let kept = came.len().min(first.len());
            first[..kept].copy_from_slice(&came[..kept]);
            // Nobody else sets it.
            let _ = self.first.0.set(first);
        }
        read
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_known_by_their_first_bytes() {
        let who = |first: [u8; 4]| FirstBytes(OnceLock::from(first)).stranger();
        assert_eq!(who([0, 0, 24, 4]), None);
        assert_eq!(who(*b"{\"id"), Some(Stranger::Stratum));
        assert_eq!(who(*b"HTTP"), Some(Stranger::Http));
        assert_eq!(who([0x15, 3, 1, 0]), Some(Stranger::Tls));
        assert_eq!(who(*b"SSH-"), Some(Stranger::Unknown));
        assert!(FirstBytes::default().is_silent() && FirstBytes::default().stranger().is_none());
    }
}
