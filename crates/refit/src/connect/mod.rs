//! Connecting: a URL, TLS as libpq's `sslmode` says, and patience with a server that is starting.

mod tls;
mod url;
mod verifier;

use std::io;
use std::ops::Deref;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode as Negotiate};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::warn;

pub use tls::{SslMode, TlsOptions};

use crate::error::{Error, describe};

/// How to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// For how long a server that does not answer, or is starting, is tried again.
    pub retry_for: Duration,
    /// For how long one attempt may take, where the URL names no `connect_timeout`.
    pub attempt_timeout: Duration,
    /// What the session calls itself, where the URL names no `application_name`.
    pub application_name: String,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            retry_for: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            application_name: "refit".to_owned(),
        }
    }
}

/// A URL, read: where to connect, and how much TLS. For pools and other drivers of `tokio-postgres`.
#[derive(Debug, Clone)]
pub struct Target {
    config: Config,
    tls: TlsOptions,
}

impl Target {
    /// Reads `postgres://…` or `host=… dbname=…`, with libpq's `sslmode`, `sslrootcert`, `sslcert` and `sslkey`.
    ///
    /// # Errors
    /// [`Error::Url`], which never repeats a password; [`Error::Tls`] for a certificate that cannot be read.
    pub fn parse(text: &str) -> Result<Target, Error> {
        url::refuse_stray_at(text)?;
        let (rest, mut tls) = url::split_tls(text)?;
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            Error::Url(format!("{}; {}", describe(&error), url::FORM))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::Url(format!("no host; {}", url::FORM)));
        }
        if config.get_hosts().is_empty() {
            // A certificate is made out for somebody, if only for an address.
            let addresses: Vec<_> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
            for address in addresses {
                config.host(address);
            }
        }
        #[cfg(unix)]
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            // As in libpq: sslmode says nothing about Unix sockets.
            tls.mode = SslMode::Disable;
        }
        config.ssl_mode(tls.mode.negotiate());
        Ok(Target { config, tls })
    }

    /// The driver's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The connector that goes with it.
    ///
    /// # Errors
    /// [`Error::Tls`] when certificates cannot be read.
    pub fn connector(&self) -> Result<MakeRustlsConnect, Error> {
        self.tls.connector()
    }

    /// The connector, where a session may be encrypted.
    pub(crate) fn tls_connector(&self) -> Result<Option<MakeRustlsConnect>, Error> {
        match self.tls.mode {
            SslMode::Disable => Ok(None),
            _ => self.connector().map(Some),
        }
    }

    /// Where it points, without secrets: `user@host:5432/database`.
    pub fn address(&self) -> String {
        let config = &self.config;
        let ports = config.get_ports();
        let hosts: Vec<String> = config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(index, host)| {
                let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
                match host {
                    Host::Tcp(host) => format!("{host}:{port}"),
                    #[cfg(unix)]
                    Host::Unix(path) => format!("{}:{port}", path.display()),
                }
            })
            .collect();
        let user = config.get_user().map_or(String::new(), |user| format!("{user}@"));
        let database = config.get_dbname().map_or(String::new(), |name| format!("/{name}"));
        format!("{user}{}{database}", hosts.join(","))
    }
}

/// An open connection; a [`Client`] whose other half runs as a task.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Says goodbye to the server and waits until the socket is closed.
    pub async fn close(self) {
        drop(self.client);
        // The task ends with the socket; that it was cancelled, or panicked, is no news for whoever closes.
        self.driver.await.ok();
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Connects, trying again while the server is absent or starting.
///
/// # Errors
/// [`Error::Url`], [`Error::Tls`], or [`Error::Connect`] with what the last attempt said and what to do.
pub async fn connect(url: &str, options: &ConnectOptions) -> Result<Connection, Error> {
    let mut target = Target::parse(url)?;
    if target.config.get_connect_timeout().is_none() {
        target.config.connect_timeout(options.attempt_timeout);
    }
    if target.config.get_application_name().is_none() {
        target.config.application_name(&options.application_name);
    }
    let began = Instant::now();
    let mut delays = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(3))
        .with_jitter()
        .without_max_times()
        .build();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match attempt(&target, options).await? {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let delay = delays.next().unwrap_or(options.retry_for);
        if !may_pass(&error) || began.elapsed() + delay > options.retry_for {
            return Err(Error::Connect {
                address: target.address(),
                reason: describe(&error),
                hint: hint(&error, attempts),
                attempts,
            });
        }
        warn!(address = %target.address(), reason = %describe(&error), ?delay, "cannot connect yet; trying again");
        tokio::time::sleep(delay).await;
    }
}

/// One attempt: the outer error is ours and final, the inner one is the server's or the network's.
async fn attempt(
    target: &Target,
    options: &ConnectOptions,
) -> Result<Result<Connection, tokio_postgres::Error>, Error> {
    let plain = async || {
        let mut config = target.config.clone();
        open(config.ssl_mode(Negotiate::Disable), NoTls, options).await
    };
    if target.tls.mode == SslMode::Disable {
        return Ok(plain().await);
    }
    let connector = target.connector()?;
    let encrypted = open(&target.config, connector, options);
    // Two modes have a second choice. When that fails as well, the first error is the one to tell.
    Ok(match target.tls.mode {
        SslMode::Allow => match plain().await {
            Err(first) if is_about_tls(&first) => encrypted.await.map_err(|_| first),
            outcome => outcome,
        },
        SslMode::Prefer => match encrypted.await {
            Err(first) if is_about_tls(&first) => plain().await.map_err(|_| first),
            outcome => outcome,
        },
        _ => encrypted.await,
    })
}

/// Whether TLS failed, or `pg_hba.conf` has no line for a connection with it, or without it.
fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        None => error.to_string().contains("TLS"),
    }
}

async fn open<T>(
    config: &Config,
    tls: T,
    options: &ConnectOptions,
) -> Result<Connection, tokio_postgres::Error>
where
    T: tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>,
    T::Stream: Send + 'static,
{
    // The driver's timeout covers the TCP connection; a server that accepts and says nothing needs one as well.
    let limit = config.get_connect_timeout().copied().unwrap_or(options.attempt_timeout) * 2;
    let (client, connection) = match tokio::time::timeout(limit, config.connect(tls)).await {
        Ok(connected) => connected?,
        Err(_) => return Err(tokio_postgres::Error::__private_api_timeout()),
    };
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %describe(&error), "the connection ended");
        }
    });
    Ok(Connection { client, driver })
}

/// Whether the same attempt may succeed a little later.
fn may_pass(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // Starting up, shutting down, too many connections.
        Some(code) => matches!(code.code(), "57P01" | "57P02" | "57P03" | "53300"),
        None => !error.to_string().contains("TLS") && !error.to_string().contains("configuration"),
    }
}

fn hint(error: &tokio_postgres::Error, attempts: usize) -> String {
    let hint = match error.code().map(|code| code.code()) {
        Some("28P01") => "check user and password",
        Some("28000") => "check the role, and pg_hba.conf for this host, user and database",
        Some("3D000") => "create the database, or check its name",
        Some("53300") => "the server has no connection left: raise max_connections or close some",
        Some(_) => return String::new(),
        None if describe(error).contains("password missing") => "give a password in the URL",
        None if error.to_string().contains("TLS") => "check sslmode and sslrootcert",
        None => match io_kind(error) {
            Some(io::ErrorKind::ConnectionRefused) => "is the server running on that host and port?",
            Some(io::ErrorKind::NotFound) => "is the socket's folder right, and the server running?",
            _ => "check host and port, and that the server can be reached",
        },
    };
    let tried = if attempts > 1 { format!(" (tried {attempts} times)") } else { String::new() };
    format!("; {hint}{tried}")
}

fn io_kind(error: &tokio_postgres::Error) -> Option<io::ErrorKind> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = cause.source();
    }
    None
}
