//! Replaces `encrypted` in builds without the feature `tls`. As in libpq without OpenSSL, `prefer` and `allow` connect without
//! TLS, and modes that require it are rejected.

use tokio_postgres::NoTls;

use super::tls::{SslMode, TlsOptions};
use crate::error::Error;

/// The connector for `tokio-postgres`, also for pools.
pub type Connector = NoTls;

/// The connector for a URL.
pub(super) fn connector(options: &TlsOptions) -> Result<Connector, Error> {
    match options.mode {
        SslMode::Disable | SslMode::Allow | SslMode::Prefer => Ok(NoTls),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Err(Error::tls(
            "this program is built without TLS; build it with the feature `tls` of refit, or use sslmode=prefer",
        )),
    }
}

/// The driver's own message is sufficient.
pub(super) fn reason(_: &tokio_postgres::Error) -> Option<String> {
    None
}

/// Without TLS there are no certificates to give hints about.
pub(super) fn hint(_: &tokio_postgres::Error, _: &TlsOptions) -> Option<&'static str> {
    None
}
