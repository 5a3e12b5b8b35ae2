//! TLS with rustls.
//!
//! As in libpq, `prefer` and `require` encrypt without verifying the certificate, and `require` with a root certificate is
//! `verify-ca`. If no root certificate is named, `verify-ca` and `verify-full` trust those of the system.

use std::error::Error as StdError;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, SupportedProtocolVersion};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::refused::cause;
use super::tls::{SslMode, TlsOptions};
use super::verifier::{SelfSigned, Verifier};
use crate::error::Error;

/// The connector for `tokio-postgres`, also for pools.
pub type Connector = MakeRustlsConnect;

/// The connector for a URL.
pub(super) fn connector(options: &TlsOptions) -> Result<Connector, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mode = match options.mode {
        SslMode::Require if options.root_certificate.is_some() => SslMode::VerifyCa,
        mode => mode,
    };
    let verifier = match mode {
        SslMode::VerifyFull | SslMode::VerifyCa => {
            let roots = roots(options)?;
            let verifier = Verifier::of(&provider, roots, mode == SslMode::VerifyFull);
            verifier.map_err(caused("no certificate authority is trusted (name one with sslrootcert)"))?
        }
        _ => Verifier::none(&provider),
    };
    let versions: &[&SupportedProtocolVersion] = match (options.only_1_2, options.only_1_3) {
        (false, false) => rustls::ALL_VERSIONS,
        (true, false) => &[&TLS12],
        (false, true) => &[&TLS13],
        (true, true) => {
            let text = "ssl_min_protocol_version is above ssl_max_protocol_version";
            return Err(Error::tls(text));
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(caused("the TLS versions cannot be used"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match (&options.certificate, &options.key) {
        _ if options.without_certificate => builder.with_no_client_auth(),
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(unusable(key))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, key)
                .map_err(caused("the client certificate cannot be used"))?
        }
        _ => return Err(Error::tls("only one of sslcert and sslkey is set; set both")),
    };
    config.enable_sni = !options.without_server_name;
    if options.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

fn roots(options: &TlsOptions) -> Result<Vec<CertificateDer<'static>>, Error> {
    match &options.root_certificate {
        Some(path) if path != Path::new("system") => certificates(path),
        _ => Ok(rustls_native_certs::load_native_certs().certs),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let file = File::open(path).map_err(unusable(path))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(BufReader::new(file)).collect();
    let certificates = read.map_err(unusable(path))?;
    if certificates.is_empty() {
        return Err(Error::tls(format!("{} contains no certificate in PEM form", path.display())));
    }
    Ok(certificates)
}

fn unusable<E: StdError + Send + Sync + 'static>(path: &Path) -> impl FnOnce(E) -> Error {
    caused(format!("{} cannot be used", path.display()))
}

/// Makes an error with another one as its source.
fn caused<E: StdError + Send + Sync + 'static>(reason: impl Into<String>) -> impl FnOnce(E) -> Error {
    move |error| Error::Tls { reason: reason.into(), source: Some(error.into()) }
}

/// A readable message for a failure that rustls prints in `Debug` form.
pub(super) fn reason(error: &tokio_postgres::Error) -> Option<String> {
    match cause(error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
            Some(format!("{error}: {other}"))
        }
        _ => None,
    }
}

/// What to do about a rejected certificate.
pub(super) fn hint(error: &tokio_postgres::Error, options: &TlsOptions) -> Option<&'static str> {
    match cause(error) {
        Some(rustls::Error::InvalidCertificate(certificate)) => Some(about_certificate(certificate, options)),
        _ => None,
    }
}

fn about_certificate(error: &CertificateError, options: &TlsOptions) -> &'static str {
    match error {
        CertificateError::Other(other) if other.0.is::<SelfSigned>() => {
            "save the server's certificate in a file and name that with sslrootcert, or use sslmode=require \
             without sslrootcert, which encrypts and does not verify the server"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "use a host name that the certificate has, or sslmode=verify-ca, which does not check names"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew the server's certificate, and check this machine's clock"
        }
        CertificateError::UnknownIssuer if options.root_certificate.is_some() => {
            "check sslmode and sslrootcert: the file has no certificate of the authority that signed the server's"
        }
        CertificateError::UnknownIssuer => {
            "check sslmode and sslrootcert: the system trusts no authority that signed the server's certificate; \
             name a file with the authority's certificate as sslrootcert"
        }
        _ => "check sslmode and sslrootcert",
    }
}
