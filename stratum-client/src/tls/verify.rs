//! Which certificates are taken.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rminer_algos::encode_hex;
use thiserror::Error;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error as RustlsError, OtherError, SignatureScheme,
};

use super::certificate::CertificateReport;
use super::pins::PinStore;
use super::{Proof, TlsError, version1};
use crate::endpoint::TlsPolicy;
use crate::text::clean;

/// Judges the certificate of one server by one policy. Whatever the policy, the server must prove in the
/// handshake that it holds the certificate's key: certificates are public, a pin alone proves nothing.
#[derive(Debug)]
pub(super) struct Verifier {
    server: String,
    policy: TlsPolicy,
    chain: Option<Arc<WebPkiServerVerifier>>,
    pins: Arc<dyn PinStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A verdict of ours on its way through rustls, which knows only its own errors.
#[derive(Debug, Clone, Error)]
#[error(transparent)]
pub(super) struct Refusal(TlsError);

impl Refusal {
    pub(super) fn of(error: &RustlsError) -> Option<&Self> {
        match error {
            RustlsError::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                inner.downcast_ref()
            }
            _ => None,
        }
    }
}

impl From<Refusal> for TlsError {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

impl Verifier {
    pub(super) fn new(
        server: &str,
        policy: TlsPolicy,
        chain: Option<Arc<WebPkiServerVerifier>>,
        pins: Arc<dyn PinStore>,
        provider: &CryptoProvider,
    ) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { server: server.to_owned(), policy, chain, pins, algorithms }
    }

    /// The final verdict on a server that has proven to hold the key of `leaf`; remembers it where the policy
    /// wants that. A resumed session comes here without another look at the certificate, so this looks again.
    pub(super) fn settle(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Result<Proof, TlsError> {
        let proof = self.judge(leaf, intermediates, name, UnixTime::now())?;
        if proof == Proof::FirstUse {
            let remembered = self.pins.remember(&self.server, fingerprint(leaf));
            remembered.map_err(|fault| self.store_fault(&fault))?;
        }
        Ok(proof)
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<Proof, TlsError> {
        let got = fingerprint(leaf);
        // What cannot be read cannot prove itself either, so there is no use in a pin for it.
        if let Err(fault) = ParsedCertificate::try_from(leaf)
            && version1::key(leaf).is_none()
        {
            return Err(TlsError::Unreadable(clean(&fault.to_string())));
        }
        match self.policy {
            TlsPolicy::Pin(wanted) if wanted == got => Ok(Proof::Pinned),
            TlsPolicy::Pin(wanted) => {
                Err(TlsError::OtherPin { wanted: encode_hex(&wanted), got: encode_hex(&got) })
            }
            TlsPolicy::Verify => self.verify_chain(leaf, intermediates, name, now),
            TlsPolicy::Tofu => match self.pins.get(&self.server) {
                Err(fault) => Err(self.store_fault(&fault)),
                Ok(Some(known)) if known == got => Ok(Proof::Remembered),
                Ok(Some(known)) => Err(TlsError::Changed {
                    known: encode_hex(&known),
                    got: encode_hex(&got),
                    store: self.pins.to_string(),
                }),
                Ok(None) => self.verify_chain(leaf, intermediates, name, now).or(Ok(Proof::FirstUse)),
            },
        }
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<Proof, TlsError> {
        let untrusted = |reason| TlsError::Untrusted { reason, pin: encode_hex(&fingerprint(leaf)) };
        let Some(chain) = &self.chain else { return Err(untrusted("there is nobody to trust".into())) };
        match chain.verify_server_cert(leaf, intermediates, name, &[], now) {
            Ok(_) => Ok(Proof::Chain),
            Err(RustlsError::InvalidCertificate(fault)) => Err(untrusted(reason(&fault, leaf, name))),
            Err(other) => Err(untrusted(other.to_string())),
        }
    }

    fn store_fault(&self, fault: &std::io::Error) -> TlsError {
        TlsError::Store(format!("{}: {fault}", self.pins))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        match self.judge(leaf, intermediates, name, now) {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(verdict) => Err(RustlsError::InvalidCertificate(CertificateError::Other(OtherError(
                Arc::new(Refusal(verdict)),
            )))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        match version1::key(leaf) {
            Some(key) => version1::verify_tls12(message, &key, signed, &self.algorithms),
            None => verify_tls12_signature(message, leaf, signed, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        match version1::key(leaf) {
            Some(key) => version1::verify_tls13(message, &key, signed, &self.algorithms),
            None => verify_tls13_signature(message, leaf, signed, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// SHA-256 of a certificate's DER form: its pin.
pub(super) fn fingerprint(leaf: &CertificateDer<'_>) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, leaf).as_ref());
    fingerprint
}

/// What is wrong with a certificate, for people.
fn reason(fault: &CertificateError, leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> String {
    let seen = CertificateReport::read(leaf);
    let days = |earlier: u64, later: u64| Days(later.saturating_sub(earlier) / 86_400);
    match (fault, seen) {
        (CertificateError::ExpiredContext { time, not_after }, _) => {
            format!("it expired {} ago", days(not_after.as_secs(), time.as_secs()))
        }
        (CertificateError::NotValidYetContext { time, not_before }, _) => format!(
            "it becomes valid in {} only; is this machine's clock right?",
            days(time.as_secs(), not_before.as_secs())
        ),
        (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }, Some(seen)) => {
            format!("it is for {}, not for {}", seen.names_shown(), name.to_str())
        }
        (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }, None) => {
            format!("it is not for {}", name.to_str())
        }
        (CertificateError::UnknownIssuer, Some(seen)) if seen.self_signed => "it is self-signed".into(),
        (CertificateError::UnknownIssuer, Some(seen)) => {
            format!("its issuer {} is not known to this machine", seen.issuer)
        }
        (CertificateError::UnknownIssuer, None) => "its issuer is not known to this machine".into(),
        (CertificateError::BadEncoding, _) => "it cannot be read".into(),
        (CertificateError::Revoked, _) => "it was revoked".into(),
        (CertificateError::BadSignature, _) => "its signature is wrong".into(),
        (CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }, _) => {
            "it is not made for servers".into()
        }
        // Old tools make authorities' certificates and use them for a server; webpki takes none of these.
        (_, Some(seen)) if seen.self_signed => "it is self-signed".into(),
        (_, Some(seen)) if seen.version1 => "it is an X.509 version 1 certificate".into(),
        (other, _) => clean(&other.to_string()),
    }
}

struct Days(u64);

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("less than a day"),
            1 => f.write_str("1 day"),
            days => write!(f, "{days} days"),
        }
    }
}
