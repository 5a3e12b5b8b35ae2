//! Connections: URLs, TLS as libpq's `sslmode` says, and retries while a server starts.

#[cfg(feature = "tls")]
mod encrypted;
mod hosts;
mod notices;
mod parameters;
#[cfg(not(feature = "tls"))]
mod plain;
mod refused;
mod tls;
mod url;
#[cfg(feature = "tls")]
mod verifier;

use std::ops::Deref;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode as Negotiate};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tracing::warn;

#[cfg(feature = "tls")]
use self::encrypted as security;
use self::hosts::HostRole;
pub use self::notices::Notice;
use self::notices::Notices;
#[cfg(not(feature = "tls"))]
use self::plain as security;
use self::refused::{Failed, Refused};
pub use self::security::Connector;
pub use self::tls::{SslMode, TlsOptions};

use crate::error::{ConnectError, Error, describe};
use crate::queries::Queries;

/// How to connect.
///
/// ```
/// use std::time::Duration;
///
/// let options = refit::ConnectOptions { retry_for: Duration::from_secs(5), ..Default::default() };
/// assert_eq!(options.application_name, "refit");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// How long to try again while the server does not answer or is starting; 30 s by default, zero for one attempt.
    pub retry_for: Duration,
    /// How long one attempt may take if the URL has no `connect_timeout`; 10 s by default.
    pub attempt_timeout: Duration,
    /// The name of the session in `pg_stat_activity` if the URL has no `application_name`; `refit` by default.
    pub application_name: String,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            retry_for: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            application_name: crate::application_name::DEFAULT.to_owned(),
        }
    }
}

/// A parsed URL: where to connect, and whether with TLS. Use it to configure pools and connections of `tokio-postgres`.
///
/// ```no_run
/// # async fn example(url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let target = refit::Target::parse(url)?;
/// let (client, connection) = target.config().connect(target.connector()?).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Target {
    config: Config,
    tls: TlsOptions,
    role: Option<HostRole>,
    /// The text that it was parsed from, without the password.
    conninfo: String,
}

impl Target {
    /// Parses `postgres://…` or `host=… dbname=…`, with libpq's parameters. Parameters that Refit cannot follow are errors.
    ///
    /// Unless the URL says otherwise, TCP connections have keepalives (after 30 s, then every 10 s, three of them) and a
    /// `tcp_user_timeout` of 60 s.
    ///
    /// ```
    /// let target = refit::Target::parse("postgres://app:secret@db.example.com/app?sslmode=require").unwrap();
    /// assert_eq!(target.address(), "app@db.example.com:5432/app");
    /// assert!(refit::Target::parse("mysql://localhost/app").is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::Url`], which never contains a password.
    pub fn parse(text: &str) -> Result<Target, Error> {
        url::refuse_stray_at(text)?;
        let (rest, parameters) = url::split(text)?;
        let mut tls = parameters.tls.clone();
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            Error::Url(format!("{}; {}", describe(&error), url::FORM))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::Url(format!("no host; {}", url::FORM)));
        }
        if config.get_hosts().is_empty() {
            // A certificate names a host, if only by its address.
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
        parameters.apply(&mut config);
        Ok(Target { config, tls, role: parameters.role, conninfo: url::without_password(text) })
    }

    /// The configuration for `tokio-postgres`. The driver does not know the values `primary`, `standby` and `prefer-standby` of
    /// `target_session_attrs`; `read-write`, `read-only` and `any` replace them.
    ///
    /// ```
    /// let target = refit::Target::parse("postgres://app@localhost/app").unwrap();
    /// assert_eq!(target.config().get_dbname(), Some("app"));
    /// ```
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The text that it was parsed from, without the password: for the command line of a program that uses libpq. Pass the password
    /// in the environment variable `PGPASSWORD`.
    ///
    /// ```
    /// let target = refit::Target::parse("postgres://app:secret@localhost/app?sslmode=require").unwrap();
    /// assert_eq!(target.conninfo(), "postgres://app@localhost/app?sslmode=require");
    /// ```
    pub fn conninfo(&self) -> &str {
        &self.conninfo
    }

    /// The connector for `tokio-postgres`, which encrypts as the URL says.
    ///
    /// ```
    /// # fn main() -> Result<(), refit::Error> {
    /// let connector: refit::Connector = refit::Target::parse("postgres://app@localhost/app")?.connector()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Tls`] if a certificate cannot be read, or if the URL requires TLS and the feature `tls` is off.
    pub fn connector(&self) -> Result<Connector, Error> {
        security::connector(&self.tls)
    }

    /// The connector, if a session may be encrypted.
    pub(crate) fn tls_connector(&self) -> Result<Option<Connector>, Error> {
        match self.tls.mode {
            SslMode::Disable => Ok(None),
            _ => self.connector().map(Some),
        }
    }

    /// User, hosts, ports and database, without the password: `user@host:5432/database`.
    ///
    /// ```
    /// let target = refit::Target::parse("host=a,b port=5432,5433 user=app password=secret").unwrap();
    /// assert_eq!(target.address(), "app@a:5432,b:5433");
    /// ```
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

/// An open connection. It dereferences to [`Client`]; a task of the tokio runtime drives it.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    driver: JoinHandle<()>,
    notices: Notices,
}

impl Connection {
    /// Calls `handler` with each notice that the server sends from now on. The first handler of a connection stays. It must not
    /// block.
    ///
    /// ```no_run
    /// # fn example(connection: refit::Connection) {
    /// connection.on_notice(|notice| println!("{}: {}", notice.severity, notice.message));
    /// # }
    /// ```
    pub fn on_notice(&self, handler: impl Fn(Notice) + Send + Sync + 'static) {
        self.notices.handle(handler);
    }

    /// Ends the session and waits until the socket is closed.
    ///
    /// ```no_run
    /// # async fn example(connection: refit::Connection) {
    /// connection.close().await;
    /// # }
    /// ```
    pub async fn close(self) {
        drop(self.client);
        // The task ends with the socket; the caller has no use for the reason.
        self.driver.await.ok();
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Connects to a URL; tries again while the server does not answer or is starting.
///
/// ```no_run
/// # async fn example(url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let client = refit::connect(url, &refit::ConnectOptions::default()).await?;
/// let version: String = client.query_one("SHOW server_version", &[]).await?.get(0);
/// client.close().await;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Url`], [`Error::Tls`], or [`Error::Connect`] with the reason of the last attempt and what to do.
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
        let refused = match attempt(&target, options).boxed().await? {
            Ok(connection) => return Ok(connection),
            Err(refused) => refused,
        };
        let delay = delays.next().unwrap_or(options.retry_for);
        if !refused.is_transient || began.elapsed() + delay > options.retry_for {
            let hint = refused.hint(attempts);
            let source = ConnectError { reason: refused.reason, hint };
            return Err(Error::Connect { address: target.address(), attempts, source });
        }
        warn!(address = %target.address(), reason = %refused.reason, ?delay, "cannot connect yet; trying again");
        tokio::time::sleep(delay).await;
    }
}

/// One attempt; at each host in turn if the URL asks for a role of the server. The outer error is final.
async fn attempt(target: &Target, options: &ConnectOptions) -> Result<Result<Connection, Refused>, Error> {
    let Some(role) = target.role else {
        let outcome = attempt_at(&target.config, target, options).await?;
        return Ok(outcome.map_err(|error| Refused::of(&error, target)));
    };
    let mut second_best = None;
    let mut last = Refused::role(role.refusal());
    for config in hosts::each(&target.config).await {
        let asked = match attempt_at(&config, target, options).await? {
            Ok(connection) => {
                let row = connection.query_one_boxed("SELECT pg_catalog.pg_is_in_recovery()", &[]).await;
                row.map(|row| (connection, row.get(0))).map_err(Failed::Driver)
            }
            Err(error) => Err(error),
        };
        match asked.map(|(connection, in_recovery)| (connection, role.suits(in_recovery))) {
            Ok((connection, Some(true))) => return Ok(Ok(connection)),
            Ok((connection, None)) => second_best = second_best.or(Some(connection)),
            Ok((connection, Some(false))) => {
                connection.close().await;
                last = Refused::role(role.refusal());
            }
            Err(error) => last = Refused::of(&error, target),
        }
    }
    Ok(second_best.ok_or(last))
}

/// One attempt: the outer error is final, the inner one is of the server or the network.
async fn attempt_at(
    config: &Config,
    target: &Target,
    options: &ConnectOptions,
) -> Result<Result<Connection, Failed>, Error> {
    let plain = async || {
        let mut config = config.clone();
        open(config.ssl_mode(Negotiate::Disable), NoTls, options).boxed().await
    };
    if target.tls.mode == SslMode::Disable {
        return Ok(plain().await);
    }
    let connector = target.connector()?;
    let encrypted = open(config, connector, options).boxed();
    // Two modes have a second choice. If that fails as well, the first error is the one to report.
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
fn is_about_tls(error: &Failed) -> bool {
    let Failed::Driver(error) = error else { return false };
    match error.code() {
        Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        None => error.to_string().contains("TLS"),
    }
}

async fn open<T>(config: &Config, tls: T, options: &ConnectOptions) -> Result<Connection, Failed>
where
    T: tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>,
    T::Stream: Send + 'static,
{
    // The driver's timeout covers the TCP connection to each address, not a server that accepts it and sends nothing.
    let limit = config.get_connect_timeout().copied().unwrap_or(options.attempt_timeout) * 2;
    let (client, connection) = match tokio::time::timeout(limit, config.connect(tls)).await {
        Ok(connected) => connected?,
        Err(_) => return Err(Failed::Timeout(limit)),
    };
    let notices = Notices::default();
    let driver = tokio::spawn(notices::drive(connection, notices.clone()));
    Ok(Connection { client, driver, notices })
}
