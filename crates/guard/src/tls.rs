//! Whom an https receiver must prove to be.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use rustls_platform_verifier::Verifier;

use crate::ClientError;

/// Returns the TLS configuration that trusts what the platform trusts, and the certificates in `extra_pem`.
///
/// # Errors
///
/// [`ClientError`] when `extra_pem` holds no certificate, or one that cannot be a root.
pub(crate) fn config(extra_pem: Option<&[u8]>) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = extra_pem.map(certificates).transpose()?.unwrap_or_default();
    let mut roots = RootCertStore::empty();
    for certificate in extra.iter().cloned() {
        roots.add(certificate).map_err(ClientError::Root)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    let config = match platform(extra, provider) {
        Some(verifier) => config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        // Then only https to receivers is out of reach, and each attempt says so.
        None => config.with_root_certificates(roots),
    };
    Ok(config.with_no_client_auth())
}

fn platform(extra: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Option<Verifier> {
    Verifier::new_with_extra_roots(extra, provider)
        .inspect_err(
            |error| tracing::warn!(%error, "the system has no root certificates: https receivers cannot be verified"),
        )
        .ok()
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(ClientError::Pem)?;
    if found.is_empty() { Err(ClientError::NoCertificate) } else { Ok(found) }
}
