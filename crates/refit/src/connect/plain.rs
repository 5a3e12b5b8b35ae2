//! Connections of a program that is built without the feature `tls`: as libpq does without OpenSSL, `prefer` and `allow` connect
//! plainly, and modes that promise TLS are refused.

use tokio_postgres::NoTls;

use super::tls::{SslMode, TlsOptions};
use crate::error::Error;

/// What connects, for pools and other drivers of `tokio-postgres`.
pub type Connector = NoTls;

/// The connector for a URL.
pub(super) fn connector(options: &TlsOptions) -> Result<Connector, Error> {
    match options.mode {
        SslMode::Disable | SslMode::Allow | SslMode::Prefer => Ok(NoTls),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Err(Error::Tls(
            "this program is built without TLS; build it with the feature `tls` of refit, or use sslmode=prefer".to_owned(),
        )),
    }
}

/// Nothing that the driver does not say.
pub(super) fn reason(_: &tokio_postgres::Error) -> Option<String> {
    None
}

/// There are no certificates.
pub(super) fn hint(_: &tokio_postgres::Error, _: &TlsOptions) -> Option<&'static str> {
    None
}
