//! TLS 1.2 and 1.3 with the policies of [`TlsPolicy`]. There is no way to accept just anything.

mod certificate;
mod pins;
mod trust;
mod verify;
mod version1;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rminer_algos::encode_hex;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error as RustlsError, HandshakeKind, PeerIncompatible,
    ProtocolVersion,
};

use crate::connect::{BoxedStream, Route, system_words};
use crate::endpoint::{Host, Protocol, TlsPolicy};
use crate::text::clean;

pub use certificate::CertificateReport;
pub use pins::{FilePins, NoPins, PinStore};
pub use trust::{Trust, TrustError};

use verify::{Refusal, Verifier};

/// From the first byte to the end of the handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// Servers whose settings and sessions are kept for the next connection.
const MAX_SERVERS: usize = 16;

/// A TLS session that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsReport {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// Why the certificate was taken.
    pub proof: Proof,
    /// Whether an earlier session was taken up again, which saves a round trip.
    pub resumed: bool,
    /// SHA-256 of the certificate, 64 hex digits: what would be pinned.
    pub pin: String,
    /// What the certificate says; none when it is written in an odd way.
    pub certificate: Option<CertificateReport>,
    /// How long the handshake took.
    pub took: Duration,
}

/// Why a certificate was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Chain and name were verified.
    Chain,
    /// It is the configured one.
    Pinned,
    /// It was unknown and is remembered from now on.
    FirstUse,
    /// It is the one that was remembered.
    Remembered,
}

/// As it follows "certificate".
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "ok",
            Self::Pinned => "as pinned",
            Self::FirstUse => "new and remembered",
            Self::Remembered => "as remembered",
        })
    }
}

/// Why there is no TLS session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlsError {
    /// Nobody that this machine trusts vouches for the certificate.
    #[error(
        "the certificate is not trusted: {reason}. To trust exactly this one: --tls-pin {pin} (in the file: tls_pin = \"{pin}\")"
    )]
    Untrusted {
        /// What is wrong with it.
        reason: String,
        /// Its SHA-256.
        pin: String,
    },
    /// Another certificate than the configured one.
    #[error(
        "the certificate is not the pinned one: it is {got}, pinned is {wanted}. If the pool announced a new one: --tls-pin {got}; otherwise somebody is in between"
    )]
    OtherPin {
        /// The pin.
        wanted: String,
        /// SHA-256 of what the server showed.
        got: String,
    },
    /// Another certificate than the one of the first time.
    #[error(
        "the certificate changed since the first connection: it was {known} and is {got}. If the pool announced a new one: --tls-pin {got}, or delete its line in {store}; otherwise somebody is in between"
    )]
    Changed {
        /// What was remembered.
        known: String,
        /// SHA-256 of what the server showed.
        got: String,
        /// Where it was remembered.
        store: String,
    },
    /// A certificate that cannot prove anything, whoever trusts it.
    #[error("the certificate cannot be used, and the pool must renew it: {0}")]
    Unreadable(String),
    /// Plain text came back.
    #[error("the server does not speak TLS on this port: use {scheme}")]
    NotTls {
        /// The scheme for plain connections.
        scheme: &'static str,
    },
    /// The connection ended without a single byte.
    #[error(
        "the server closed the connection as soon as TLS began: does it speak TLS on this port? Without: {scheme}"
    )]
    Silent {
        /// The scheme for plain connections.
        scheme: &'static str,
    },
    /// Only TLS 1.0 or 1.1.
    #[error("the server offers only TLS 1.0 or 1.1, which are broken; TLS 1.2 is the oldest that is taken")]
    TooOld,
    /// No cipher in common.
    #[error("the server and rminer have no TLS cipher in common: the server offers only outdated ones")]
    NoCipher,
    /// The connection ended in the middle.
    #[error("the server closed the connection in the middle of the TLS handshake")]
    Closed,
    /// Nothing for too long.
    #[error("no end of the TLS handshake within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Bytes that make no sense: a broken server or network, or somebody in between.
    #[error("the TLS handshake failed: {0}")]
    Broken(String),
    /// The store of remembered certificates cannot be used.
    #[error("the certificate cannot be checked against the remembered ones, so nothing is trusted: {0}")]
    Store(String),
    /// There is nobody to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Makes TLS sessions, and resumes them.
pub(crate) struct Tls {
    trust: Trust,
    pins: Arc<dyn PinStore>,
    provider: Arc<CryptoProvider>,
    known: Mutex<Vec<Known>>,
}

/// Settings for one server. Sessions are resumed only under the settings that they were verified by.
#[derive(Clone)]
struct Known {
    server: String,
    policy: TlsPolicy,
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

impl Tls {
    pub(crate) fn new(trust: Trust, pins: Arc<dyn PinStore>) -> Self {
        Self { trust, pins, provider: Arc::new(ring::default_provider()), known: Mutex::default() }
    }

    /// Speaks TLS with the server at the other end of `stream`, which `route` says who it must be.
    pub(crate) async fn handshake(
        &self,
        stream: BoxedStream,
        route: &Route,
        policy: TlsPolicy,
    ) -> Result<(BoxedStream, TlsReport), TlsError> {
        let started = Instant::now();
        let known = self.settings_for(&route.to_string(), policy)?;
        let connector = TlsConnector::from(Arc::clone(&known.config));
        let limit = PATIENCE * route.patience();
        let name = server_name(&route.host)?;
        let first = FirstByte { stream, first: None };
        let shaking = connector.connect(name.clone(), first).into_fallible();
        let stream = match timeout(limit, shaking).await {
            Err(_) => return Err(TlsError::TimedOut(limit)),
            Ok(Err((fault, stream))) => return Err(handshake_error(&fault, stream.first, route.protocol)),
            Ok(Ok(stream)) => stream,
        };
        let report = report(stream.get_ref().1, &known, &name, started)?;
        Ok((Box::new(stream), report))
    }

    fn settings_for(&self, server: &str, policy: TlsPolicy) -> Result<Known, TlsError> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|known| known.server == server && known.policy == policy) {
            return Ok(known.clone());
        }
        let chain = match policy {
            TlsPolicy::Pin(_) => None,
            TlsPolicy::Verify | TlsPolicy::Tofu => Some(self.trust.verifier(&self.provider)?),
        };
        let pins = Arc::clone(&self.pins);
        let verifier = Arc::new(Verifier::new(server, policy, chain, pins, &self.provider));
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Broken(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        if all.len() == MAX_SERVERS {
            all.remove(0);
        }
        let known = Known { server: server.to_owned(), policy, config: Arc::new(config), verifier };
        all.push(known.clone());
        Ok(known)
    }
}

/// Names go into the handshake (SNI), addresses do not.
fn server_name(host: &Host) -> Result<ServerName<'static>, TlsError> {
    match host {
        Host::Ip(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| TlsError::Broken(format!("{name} is no name that a certificate can be for"))),
    }
}

/// The handshake is complete, so the server has shown that it holds the certificate's key.
fn report(
    session: &ClientConnection,
    known: &Known,
    name: &ServerName<'_>,
    started: Instant,
) -> Result<TlsReport, TlsError> {
    let chain = session.peer_certificates().unwrap_or_default();
    let (leaf, intermediates) =
        chain.split_first().ok_or_else(|| TlsError::Broken("the server showed no certificate".into()))?;
    let proof = known.verifier.settle(leaf, intermediates, name)?;
    Ok(TlsReport {
        version: match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            _ => "1.2",
        },
        proof,
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        pin: encode_hex(&verify::fingerprint(leaf)),
        certificate: CertificateReport::read(leaf),
        took: started.elapsed(),
    })
}

fn handshake_error(fault: &io::Error, first: Option<u8>, protocol: Protocol) -> TlsError {
    let scheme = match protocol {
        Protocol::Stratum => "stratum+tcp://",
        Protocol::Monerod => "daemon+http://",
        Protocol::Gbt => "gbt+http://",
        Protocol::Kaspad => "kaspad://",
    };
    // Records begin with 20 to 24; `{` and `HTTP` are what servers of plain text answer.
    if first.is_some_and(|byte| !(20..=24).contains(&byte)) {
        return TlsError::NotTls { scheme };
    }
    let Some(error) = fault.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>()) else {
        return match (fault.kind(), first) {
            (
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe,
                None,
            ) => TlsError::Silent { scheme },
            (io::ErrorKind::UnexpectedEof, Some(_)) => TlsError::Closed,
            _ => TlsError::Broken(system_words(fault)),
        };
    };
    if let Some(refusal) = Refusal::of(error) {
        return refusal.clone().into();
    }
    match error {
        RustlsError::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        )
        | RustlsError::AlertReceived(AlertDescription::ProtocolVersion) => TlsError::TooOld,
        RustlsError::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
        )
        | RustlsError::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon,
        ) => TlsError::NoCipher,
        RustlsError::AlertReceived(alert) => {
            TlsError::Broken(format!("the server broke it off with the alert {alert:?}"))
        }
        other => TlsError::Broken(clean(&other.to_string())),
    }
}

/// Remembers the first byte that was read: it tells TLS from plain text.
struct FirstByte {
    stream: BoxedStream,
    first: Option<u8>,
}

impl AsyncRead for FirstByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let ready = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.first.is_none() {
            self.first = buf.filled().get(before).copied();
        }
        ready
    }
}

impl AsyncWrite for FirstByte {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
