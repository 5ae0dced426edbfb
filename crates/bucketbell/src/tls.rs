//! Certificates from files.

use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use crate::settings::TlsFiles;

/// Returns what accepts TLS connections with the certificate, offering HTTP/2 and HTTP/1.1.
///
/// # Errors
///
/// A file cannot be read, holds nothing of its kind, or the key is not the certificate's.
pub fn acceptor(files: &TlsFiles) -> anyhow::Result<TlsAcceptor> {
    let (cert, key) = (files.cert.display(), files.key.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read the certificate chain {cert}"))?;
    if chain.is_empty() {
        bail!("{cert} holds no certificate: give a PEM file that begins with the server's own");
    }
    let private =
        PrivateKeyDer::from_pem_file(&files.key).with_context(|| format!("cannot read the private key {key}"))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("the certificate {cert} and the key {key} do not work together"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
