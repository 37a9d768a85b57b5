//! Certificates in the format of 1988, X.509 version 1. The chain verifier does not read them, but some servers
//! still make one for themselves: a Monero node does. With a pin they are as good as any, once the handshake has
//! shown that the server holds the key inside.

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use tokio_rustls::rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};
use webpki::RawPublicKeyEntity;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode as _, Encode as _};

/// The public key of a version 1 certificate; none when it is anything else.
pub(super) fn key(leaf: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let certificate = Certificate::from_der(leaf).ok()?.tbs_certificate;
    if certificate.version != Version::V1 {
        return None;
    }
    certificate.subject_public_key_info.to_der().ok().map(SubjectPublicKeyInfoDer::from)
}

/// As `verify_tls13_signature`, for a key.
pub(super) fn verify_tls13(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature_with_raw_key(message, key, signed, algorithms)
}

/// As `verify_tls12_signature`, for a key. TLS 1.2 names the kind of signature but not the curve, so there may be
/// several algorithms to try.
pub(super) fn verify_tls12(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let bad_key = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let key = RawPublicKeyEntity::try_from(key).map_err(bad_key)?;
    let named = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let (_, candidates) = named.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let fits = |algorithm| key.verify_signature(algorithm, message, signed.signature()).is_ok();
    if candidates.iter().any(|algorithm| fits(*algorithm)) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    }
}
