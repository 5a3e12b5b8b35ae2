//! `sslmode` as libpq has it, and what else a URL says about TLS. `encrypted` does it, with the feature
//! `tls`.

use std::path::PathBuf;

use tokio_postgres::config::SslMode as Negotiate;

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
