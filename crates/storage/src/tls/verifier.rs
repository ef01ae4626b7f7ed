//! Whether the server is who it should be, as libpq decides it.

use std::time::Duration;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{
        WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
        verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::ParsedCertificate,
};
use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{
        Decode, Encode,
        asn1::{PrintableStringRef, TeletexStringRef, Utf8StringRef},
        oid::db::rfc4519::COMMON_NAME,
    },
    ext::pkix::SubjectAltName,
};

/// Whom to trust.
#[derive(Debug)]
pub(super) enum Trust {
    /// Anyone: `prefer`, and `require` without root certificates. The server still has to prove that it holds the key
    /// of the certificate that it shows.
    AnyCertificate,
    /// Who has a certificate of a trusted authority: `verify-ca`.
    Chain(Roots),
    /// Who has one for the host's name: `verify-full`.
    ChainAndName(Roots),
}

/// Trusted certificates.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// Those of `sslrootcert` again: a server may show one of them as its own.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trust: Trust, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { trust, algorithms }
    }

    fn verify_chain(
        &self,
        roots: &Roots,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        // PostgreSQL's documentation tells to make a self-signed certificate and to hand it to clients as root.
        // Such a certificate is one of an authority, which the usual path to a root does not accept as a server's.
        if roots.certificates.iter().any(|root| root.as_ref() == shown.as_ref()) {
            return verify_validity(&parse(shown)?, now);
        }
        let shown = ParsedCertificate::try_from(shown)?;
        verify_server_cert_signed_by_trust_anchor(
            &shown,
            &roots.store,
            intermediates,
            now,
            self.algorithms.all,
        )
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            Trust::AnyCertificate => {}
            Trust::Chain(roots) => self.verify_chain(roots, shown, intermediates, now)?,
            Trust::ChainAndName(roots) => {
                self.verify_chain(roots, shown, intermediates, now)?;
                verify_name(shown, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(shown).is_ok() {
            return verify_tls13_signature(message, shown, signature, &self.algorithms);
        }
        // A certificate of X.509 version 1, as OpenSSL makes them without extensions: only its key matters here.
        let key = parse(shown)?.tbs_certificate.subject_public_key_info.to_der().map_err(bad_encoding)?;
        let key = SubjectPublicKeyInfoDer::from(key);
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(bad_encoding)
}

fn bad_encoding(_: x509_cert::der::Error) -> Error {
    CertificateError::BadEncoding.into()
}

fn verify_validity(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// The host must be among the certificate's alternative names; without any, libpq takes the common name.
fn verify_name(shown: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let certificate = parse(shown)?;
    if certificate.tbs_certificate.get::<SubjectAltName>().map_err(bad_encoding)?.is_some() {
        return verify_server_name(&ParsedCertificate::try_from(shown)?, name);
    }
    let subject = &certificate.tbs_certificate.subject;
    let matches = subject
        .0
        .iter()
        .flat_map(|names| names.0.iter())
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .filter_map(text)
        .any(|common_name| matches(&common_name, &name.to_str()));
    if matches { Ok(()) } else { Err(CertificateError::NotValidForName.into()) }
}

fn text(attribute: &AttributeTypeAndValue) -> Option<String> {
    let value = &attribute.value;
    Utf8StringRef::try_from(value)
        .map(|text| text.as_str().to_owned())
        .or_else(|_| PrintableStringRef::try_from(value).map(|text| text.as_str().to_owned()))
        .or_else(|_| TeletexStringRef::try_from(value).map(|text| text.as_str().to_owned()))
        .ok()
}

/// libpq's comparison: case does not matter, and `*.` stands for one label.
fn matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((label, rest))) => {
            !label.is_empty() && domain.contains('.') && domain.eq_ignore_ascii_case(rest)
        }
        _ => false,
    }
}
