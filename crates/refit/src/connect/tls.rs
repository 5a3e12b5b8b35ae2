//! The TLS parameters of a URL, as libpq defines them. `encrypted` follows them, with the feature `tls`.

use std::path::PathBuf;

use tokio_postgres::config::SslMode as Negotiate;

use crate::error::Error;

/// Whether a connection is encrypted and the server verified: libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server refuses a connection without it.
    Allow,
    /// TLS if the server offers it.
    #[default]
    Prefer,
    /// TLS always; the server is not verified.
    Require,
    /// TLS always, with a certificate of a trusted authority.
    VerifyCa,
    /// TLS always, with such a certificate for the host's name.
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

/// The TLS parameters of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// `sslmode`.
    pub mode: SslMode,
    /// The authorities to trust, as a PEM file; `system` or none means the system's.
    pub root_certificate: Option<PathBuf>,
    /// The client's certificate chain, as a PEM file.
    pub certificate: Option<PathBuf>,
    /// The client's key, as a PEM file.
    pub key: Option<PathBuf>,
    /// Whether TLS begins at once, without asking the server (`sslnegotiation=direct`).
    pub direct: bool,
    /// Whether the handshake leaves out the host's name (`sslsni=0`).
    pub without_server_name: bool,
    /// Whether the client's certificate is not sent (`sslcertmode=disable`).
    pub without_certificate: bool,
    /// Whether nothing older than TLS 1.3 is accepted.
    pub only_1_3: bool,
    /// Whether nothing newer than TLS 1.2 is used.
    pub only_1_2: bool,
}
