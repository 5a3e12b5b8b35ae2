//! `sslmode` as libpq has it, with rustls.
//!
//! `prefer` and `require` encrypt without looking at the certificate, as libpq does; `require` with a root certificate
//! is `verify-ca`. Where no root certificate is named, `verify-ca` and `verify-full` trust the system's.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio_postgres::config::SslMode as Negotiate;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::verifier::Verifier;
use crate::error::Error;

/// How much TLS, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// None.
    Disable,
    /// Only when the server refuses a plain connection.
    Allow,
    /// When the server offers it.
    #[default]
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, with a certificate of a trusted authority.
    VerifyCa,
    /// Always, with such a certificate made out for the host's name.
    VerifyFull,
}

impl SslMode {
    pub(super) fn parse(text: &str) -> Result<SslMode, Error> {
        Ok(match text {
            "disable" => SslMode::Disable,
            "allow" => SslMode::Allow,
            "prefer" => SslMode::Prefer,
            "require" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            _ => {
                let known = "disable, allow, prefer, require, verify-ca or verify-full";
                return Err(Error::Url(format!("sslmode={text} is unknown; use {known}")));
            }
        })
    }

    pub(super) fn negotiate(self) -> Negotiate {
        match self {
            SslMode::Disable => Negotiate::Disable,
            SslMode::Prefer => Negotiate::Prefer,
            SslMode::Allow | SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Negotiate::Require,
        }
    }
}

/// What a URL says about TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// How much.
    pub mode: SslMode,
    /// The authorities to trust, as a PEM file; `system` or none means the system's.
    pub root_certificate: Option<PathBuf>,
    /// The client's certificate chain, as a PEM file.
    pub certificate: Option<PathBuf>,
    /// The client's key, as a PEM file.
    pub key: Option<PathBuf>,
    /// Whether TLS begins without being asked for (`sslnegotiation=direct`), which takes a name for the protocol.
    pub direct: bool,
    /// Whether the handshake leaves out the host's name (`sslsni=0`).
    pub without_server_name: bool,
    /// Whether the client's certificate is never shown (`sslcertmode=disable`).
    pub without_certificate: bool,
    /// Whether nothing older than TLS 1.3 is accepted.
    pub only_1_3: bool,
    /// Whether nothing newer than TLS 1.2 is used.
    pub only_1_2: bool,
}

impl TlsOptions {
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mode = match self.mode {
            SslMode::Require if self.root_certificate.is_some() => SslMode::VerifyCa,
            mode => mode,
        };
        let verifier = match mode {
            SslMode::VerifyFull | SslMode::VerifyCa => {
                let roots = self.roots()?;
                let verifier = Verifier::of(&provider, roots, mode == SslMode::VerifyFull);
                verifier.map_err(|error| {
                    Error::Tls(format!("no authority to trust ({error}); name one with sslrootcert"))
                })?
            }
            _ => Verifier::none(&provider),
        };
        let versions: &[&SupportedProtocolVersion] = match (self.only_1_2, self.only_1_3) {
            (false, false) => rustls::ALL_VERSIONS,
            (true, false) => &[&TLS12],
            (false, true) => &[&TLS13],
            (true, true) => {
                let text = "ssl_min_protocol_version is above ssl_max_protocol_version";
                return Err(Error::Tls(text.to_owned()));
            }
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| Error::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match (&self.certificate, &self.key) {
            _ if self.without_certificate => builder.with_no_client_auth(),
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, key)
                    .map_err(|error| Error::Tls(format!("the client certificate cannot be used: {error}")))?
            }
            _ => return Err(Error::Tls("sslcert and sslkey go together; give both".to_owned())),
        };
        config.enable_sni = !self.without_server_name;
        if self.direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(MakeRustlsConnect::new(config))
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        match &self.root_certificate {
            Some(path) if path != Path::new("system") => certificates(path),
            _ => Ok(rustls_native_certs::load_native_certs().certs),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(BufReader::new(file)).collect();
    let certificates = read.map_err(|error| unreadable(path, &error))?;
    if certificates.is_empty() {
        return Err(Error::Tls(format!("{} holds no certificate in PEM form", path.display())));
    }
    Ok(certificates)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Tls(format!("{} cannot be used: {error}", path.display()))
}
