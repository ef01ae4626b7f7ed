//! TLS towards PostgreSQL, with libpq's modes.

mod verifier;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    version::{TLS12, TLS13},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::verifier::{Roots, Trust, Verifier};
use crate::settings::{ClientCertificate, RootCertificates, SslMode, TlsSettings, TlsVersion};

/// Why there can be no TLS as it is configured. The text names the file that is wrong, and nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {}", file.display(), error.kind())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {wanted} in PEM form", file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// A certificate that nothing can be verified by.
    #[error("{} holds a certificate that cannot be read: {error}", file.display())]
    BadRoot {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: rustls::Error,
    },
    /// The key is of no known kind, or not that of the certificate.
    #[error("{} is no key for {}: {error}", files.key.display(), files.certificate.display())]
    BadClientCertificate {
        /// Both files.
        files: ClientCertificate,
        /// What is wrong with them.
        error: rustls::Error,
    },
    /// `sslrootcert=system` on a system that trusts nobody.
    #[error("the system has no root certificates for `sslrootcert=system`")]
    NoSystemRoots,
    /// The provider speaks none of the versions that are allowed.
    #[error("no TLS version is left between the lowest and the highest: {0}")]
    NoVersion(rustls::Error),
}

/// Makes the TLS side of every connection. All files are read here, once.
///
/// # Errors
///
/// A file that cannot be read or does not hold what it should.
pub(crate) fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new(trust(settings)?, provider.signature_verification_algorithms);
    let builder = ClientConfig::builder_with_provider(Arc::<CryptoProvider>::clone(&provider))
        .with_protocol_versions(&versions(settings))
        .map_err(TlsError::NoVersion)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &settings.client_certificate {
        Some(files) if settings.mode != SslMode::Disable => builder
            .with_client_auth_cert(certificates(&files.certificate)?, private_key(&files.key)?)
            .map_err(|error| TlsError::BadClientCertificate { files: files.clone(), error })?,
        _ => builder.with_no_client_auth(),
    };
    config.enable_sni = settings.server_name_indication;
    if settings.direct {
        // A server that is not asked for TLS first wants to hear the protocol's name.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

/// libpq's rule: `require` verifies the chain if there is something to verify it by.
fn trust(settings: &TlsSettings) -> Result<Trust, TlsError> {
    match settings.mode {
        SslMode::Disable | SslMode::Prefer => Ok(Trust::AnyCertificate),
        SslMode::Require if settings.roots == RootCertificates::None => Ok(Trust::AnyCertificate),
        SslMode::Require | SslMode::VerifyCa => Ok(Trust::Chain(roots(&settings.roots)?)),
        SslMode::VerifyFull => Ok(Trust::ChainAndName(roots(&settings.roots)?)),
    }
}

fn roots(roots: &RootCertificates) -> Result<Roots, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        RootCertificates::None => Ok(Roots { store, certificates: Vec::new() }),
        RootCertificates::System => {
            let found = rustls_native_certs::load_native_certs().certs;
            store.add_parsable_certificates(found);
            if store.is_empty() {
                return Err(TlsError::NoSystemRoots);
            }
            Ok(Roots { store, certificates: Vec::new() })
        }
        RootCertificates::File(file) => {
            let certificates = certificates(file)?;
            for certificate in &certificates {
                store
                    .add(certificate.clone())
                    .map_err(|error| TlsError::BadRoot { file: file.clone(), error })?;
            }
            Ok(Roots { store, certificates })
        }
    }
}

fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let allowed = settings.minimum_version..=settings.maximum_version;
    [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)]
        .into_iter()
        .filter_map(|(version, supported)| allowed.contains(&version).then_some(supported))
        .collect()
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem_error = |error| pem_error(file, "certificate", error);
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(pem_error)?
        .collect::<Result<_, _>>()
        .map_err(pem_error)?;
    if certificates.is_empty() {
        return Err(TlsError::NotPem { file: file.to_owned(), wanted: "certificate" });
    }
    Ok(certificates)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| pem_error(file, "private key without a password", error))
}

/// The parser's own message may hold a line of the file: it stays unsaid.
fn pem_error(file: &Path, wanted: &'static str, error: pem::Error) -> TlsError {
    let file = file.to_owned();
    match error {
        pem::Error::Io(error) => TlsError::Unreadable { file, error },
        _ => TlsError::NotPem { file, wanted },
    }
}
