//! Authorities and certificates made for a test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::rustls::crypto::ring::{default_provider, sign::any_supported_type};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::ResolvesServerCert;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode as _, Encode as _};

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) der: Vec<u8>,
}

pub(crate) struct Leaf {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), der }
    }

    pub(crate) fn certify(&self, names: &[&str]) -> Leaf {
        self.sign(&params(names))
    }

    pub(crate) fn expired(&self, names: &[&str]) -> Leaf {
        let mut params = params(names);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&params)
    }

    pub(crate) fn not_yet(&self, names: &[&str]) -> Leaf {
        let mut params = params(names);
        params.not_before = date_time_ymd(3000, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        Leaf { der: params.signed_by(&key, &self.issuer).unwrap().der().clone(), key }
    }
}

impl Leaf {
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { der: params(names).self_signed(&key).unwrap().der().clone(), key }
    }

    /// The same in the format of X.509 version 1, with a signature that is wrong now: nobody looks at it.
    pub(crate) fn version1(mut self) -> Self {
        let mut certificate = Certificate::from_der(&self.der).unwrap();
        certificate.tbs_certificate.version = Version::V1;
        certificate.tbs_certificate.extensions = None;
        self.der = certificate.to_der().unwrap().into();
        self
    }

    pub(crate) fn pin(&self) -> [u8; 32] {
        ring::digest::digest(&ring::digest::SHA256, &self.der).as_ref().try_into().unwrap()
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server_with(&[&TLS13, &TLS12])
    }

    pub(crate) fn tls12_server(&self) -> Arc<ServerConfig> {
        self.server_with(&[&TLS12])
    }

    fn server_with(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        server_showing(&self.der, &self.key, versions)
    }

    /// A server that shows this certificate without its key: what somebody in between can do, since
    /// certificates are public.
    pub(crate) fn stolen(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        server_showing(&self.der, &KeyPair::generate().unwrap(), &[version])
    }
}

/// Whether the key belongs to the certificate is nobody's business here.
fn server_showing(
    der: &CertificateDer<'static>,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let key = any_supported_type(&private(key)).unwrap();
    let shown = Arc::new(CertifiedKey::new(vec![der.clone()], key));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(shown)));
    Arc::new(config)
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: tokio_rustls::rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "pool in a test");
    params
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}
