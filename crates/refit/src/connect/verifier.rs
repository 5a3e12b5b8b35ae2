//! Verifies server certificates as libpq does.
//!
//! Two rules differ from those of browsers, which rustls implements: a self-signed certificate that is named as the root is accepted
//! as the server's own, and a certificate without alternative names is matched by its common name (manual, 34.19.1 "Client
//! Verification of Server Certificates"). Certificates of private databases rely on both.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Always verifies the handshake's signatures; verifies the chain if there are authorities, and the host name if configured.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// The authorities' certificates, one of which may be the server's own.
    roots: Vec<CertificateDer<'static>>,
    check_name: bool,
}

impl Verifier {
    /// Accepts every certificate.
    pub(super) fn none(provider: &Arc<CryptoProvider>) -> Verifier {
        Verifier { provider: Arc::clone(provider), authorities: None, roots: Vec::new(), check_name: false }
    }

    /// Accepts certificates that one of `roots` has signed; with `check_name`, only those for the name of the host. Roots that cannot
    /// be parsed are skipped, because the stores of operating systems contain some.
    pub(super) fn of(
        provider: &Arc<CryptoProvider>,
        roots: Vec<CertificateDer<'static>>,
        check_name: bool,
    ) -> Result<Verifier, VerifierBuilderError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let authorities =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build()?;
        Ok(Verifier { provider: Arc::clone(provider), authorities: Some(authorities), roots, check_name })
    }
}

/// The reason for rejecting a certificate whose only problem is that it is self-signed.
#[derive(Debug, thiserror::Error)]
#[error("the server's certificate is self-signed and not trusted")]
pub(super) struct SelfSigned;

impl Verifier {
    /// Replaces an error of the chain with [`SelfSigned`] if that is the cause.
    fn explain(&self, end_entity: &CertificateDer<'_>, error: Error) -> Error {
        let about_chain = matches!(
            &error,
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_)
            )
        );
        if about_chain && is_self_signed(end_entity) && !self.roots.contains(end_entity) {
            return Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(SelfSigned))));
        }
        error
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(error)) if is_about_the_name(&error) => {}
            // The only problem is that the certificate is a CA certificate; its dates were checked before that.
            Err(Error::InvalidCertificate(CertificateError::Other(other)))
                if other.to_string().contains("CaUsedAsEndEntity") && self.roots.contains(end_entity) => {}
            verified => return verified.map_err(|error| self.explain(end_entity, error)),
        }
        if !self.check_name {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        match rustls::client::verify_server_name(&parsed, server_name) {
            Err(_) if common_name(end_entity).is_some_and(|name| is_for(&name, server_name)) => {}
            outcome => outcome?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_about_the_name(error: &CertificateError) -> bool {
    matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
}

/// Whether a certificate names itself as its issuer.
fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    x509_cert::Certificate::from_der(certificate)
        .is_ok_and(|parsed| parsed.tbs_certificate.issuer == parsed.tbs_certificate.subject)
}

/// The subject's common name; `None` if the certificate has alternative names, which then replace it.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?.tbs_certificate;
    let mut extensions = certificate.extensions.iter().flatten();
    if extensions.any(|extension| extension.extn_id == ALTERNATIVE_NAMES) {
        return None;
    }
    let mut attributes = certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let name = attributes.find(|attribute| attribute.oid == COMMON_NAME)?;
    String::from_utf8(name.value.value().to_vec()).ok()
}

/// Whether a name of a certificate matches the host; `*.` matches one label.
fn is_for(name: &str, host: &ServerName<'_>) -> bool {
    let host = host.to_str();
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => host.eq_ignore_ascii_case(name),
    }
}
