//! What a certificate says of itself, for people. Nothing is decided by it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::RdnSequence;

use crate::text::clean;

/// The attribute that holds a name in a distinguished name.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// Names of a certificate that are shown.
const MAX_NAMES: usize = 3;

/// What a certificate says of itself. All texts are safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateReport {
    /// Common name of its owner.
    pub subject: String,
    /// Common name of who vouches for it.
    pub issuer: String,
    /// DNS names and addresses that it is for; the first three.
    pub names: Vec<String>,
    /// How many names there are.
    pub names_count: usize,
    /// Whether nobody but its owner vouches for it.
    pub self_signed: bool,
    /// Whether it is in the oldest format, which no authority vouches for any more.
    pub version1: bool,
    /// When it ends.
    pub not_after: SystemTime,
}

impl CertificateReport {
    /// None when the certificate is written in an odd way.
    pub(super) fn read(leaf: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(leaf).ok()?.tbs_certificate;
        let all = match certificate.get::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0,
            _ => Vec::new(),
        };
        let names: Vec<String> = all.iter().filter_map(shown).collect();
        Some(Self {
            subject: common_name(&certificate.subject),
            issuer: common_name(&certificate.issuer),
            names_count: names.len(),
            names: names.into_iter().take(MAX_NAMES).collect(),
            self_signed: certificate.subject == certificate.issuer,
            version1: certificate.version == Version::V1,
            not_after: UNIX_EPOCH + certificate.validity.not_after.to_unix_duration(),
        })
    }

    /// Days from `now` until it ends; 0 when it has ended.
    pub fn days_left(&self, now: SystemTime) -> u64 {
        self.not_after.duration_since(now).unwrap_or(Duration::ZERO).as_secs() / 86_400
    }

    pub(super) fn names_shown(&self) -> String {
        match self.names_count {
            0 => self.subject.clone(),
            1..=MAX_NAMES => self.names.join(", "),
            all => format!("{} and {} more", self.names.join(", "), all - MAX_NAMES),
        }
    }
}

fn shown(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(clean(name.as_str())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// The common name, or the whole distinguished name where there is none.
fn common_name(name: &RdnSequence) -> String {
    let mut attributes = name.0.iter().flat_map(|part| part.0.iter());
    let common = attributes.rfind(|attribute| attribute.oid == COMMON_NAME);
    match common {
        Some(attribute) => clean(&String::from_utf8_lossy(attribute.value.value())),
        None => clean(&name.to_string()),
    }
}
