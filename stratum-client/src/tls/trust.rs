//! Who may vouch for a certificate.

use std::fmt;
use std::sync::{Arc, OnceLock};

use thiserror::Error;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::text::clean;

/// The authorities that are trusted, read when first needed.
pub struct Trust {
    source: Source,
    verifier: OnceLock<Result<Arc<WebPkiServerVerifier>, TrustError>>,
}

enum Source {
    System,
    Only(Vec<CertificateDer<'static>>),
}

/// There is nobody to trust.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no certificate can be verified: {0}")]
pub struct TrustError(String);

impl Trust {
    /// The trust store of this machine (`SSL_CERT_FILE` and `SSL_CERT_DIR` name another one). Where there is
    /// none, as in small containers, Mozilla's list as it was when this program was built.
    pub fn system() -> Self {
        Self { source: Source::System, verifier: OnceLock::new() }
    }

    /// These authorities only, each a certificate in DER form.
    pub fn only(authorities: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let authorities = authorities.into_iter().map(CertificateDer::from).collect();
        Self { source: Source::Only(authorities), verifier: OnceLock::new() }
    }

    pub(super) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
        self.verifier.get_or_init(|| self.load(provider)).clone()
    }

    fn load(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
        let roots = match &self.source {
            Source::System => system_roots()?,
            Source::Only(authorities) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(authorities.iter().cloned());
                roots
            }
        };
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| TrustError(error.to_string()))
    }
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Stores hold a few certificates that are too old to be read; the others are good.
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    // Whoever points to a store of their own wants no other one instead.
    if let Some(variable) =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().find(|name| std::env::var_os(name).is_some())
    {
        let fault =
            found.errors.first().map_or_else(|| "it holds no certificate".into(), ToString::to_string);
        return Err(TrustError(format!("{variable} is set, but {}", clean(&fault))));
    }
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(roots)
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::System => "Trust::system",
            Source::Only(_) => "Trust::only",
        })
    }
}
