//! Certificates of listeners with `tls: true`, read anew on SIGHUP as Synapse does.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::config::ServerCertificate;

/// The certificates that are in use.
#[derive(Default)]
pub(crate) struct Certificates(Vec<Arc<Certificate>>);

impl Certificates {
    /// Reads a certificate for a listener.
    ///
    /// # Errors
    ///
    /// A file cannot be read or does not hold what it has to; the message names it.
    pub(crate) fn load(&mut self, files: &ServerCertificate) -> anyhow::Result<ServerConfig> {
        let certificate =
            Arc::new(Certificate { files: files.clone(), current: RwLock::new(Arc::new(read(files)?)) });
        self.0.push(Arc::clone(&certificate));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?;
        Ok(config.with_no_client_auth().with_cert_resolver(certificate))
    }

    /// Reads all of them again. One that cannot be read is left as it is.
    pub(crate) fn reload(&self) {
        for certificate in &self.0 {
            match read(&certificate.files) {
                Ok(key) => {
                    *certificate.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                }
                Err(error) => tracing::error!("keeping the certificate that is in use: {error:#}"),
            }
        }
    }
}

#[derive(Debug)]
struct Certificate {
    files: ServerCertificate,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Reads a certificate and its key, and sees that they fit together.
///
/// # Errors
///
/// They cannot be read, are none, or don't; the message names the file.
pub(crate) fn read(files: &ServerCertificate) -> anyhow::Result<CertifiedKey> {
    let failed = |what: &str| format!("cannot read the {what}");
    let chain = CertificateDer::pem_file_iter(&files.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| failed(&format!("certificate {}", files.chain.display())))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| failed(&format!("private key {}", files.key.display())))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .with_context(|| format!("{} and {} don't fit together", files.chain.display(), files.key.display()))
}
