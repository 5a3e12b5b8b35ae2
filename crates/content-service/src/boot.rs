//! The life of the service: bind, answer `/healthz`, migrate, serve, drain, close.
//!
//! The port is bound before the first migration, so that whoever watches the process can tell "migrating" from "dead".
//! Each part that was started is stopped on every way out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::handlers::metrics;
use crate::private::{self, Private};
use crate::state::{Phase, State};
use crate::{MIGRATIONS, router};

/// How long a request waits for a connection.
const POOL_WAIT: Duration = Duration::from_secs(5);
/// How long one statement of a request may run. Longer than the lock timeout of a migration, so that a request which
/// waits behind one is delayed and not refused.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '15s'";

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; choose another address with --listen")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No private server.
    #[error("cannot run a private PostgreSQL; give a database with DATABASE_URL instead")]
    Private(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be reached, or a migration failed.
    #[error(transparent)]
    Refit(#[from] refit::Error),
    /// The pool cannot be made.
    #[error("cannot make the connection pool")]
    Pool(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server of the port ended by itself.
    #[error("the server stopped by itself")]
    Server(#[source] std::io::Error),
}

/// A started service.
pub struct Running {
    address: SocketAddr,
    url: String,
    phase: watch::Sender<Phase>,
    pool: Pool,
    migrator: Arc<refit::Migrator>,
    interrupt: refit::Interrupt,
    server: JoinHandle<std::io::Result<()>>,
    private: Option<Private>,
    drain: Duration,
}

/// Binds the port and answers there, with everything but `/healthz` at 503. Call [`Running::migrate`] next.
///
/// # Errors
/// When the address is taken, the URL makes no sense, or there is neither a database nor a private server.
pub async fn start(config: &Config) -> Result<Running, ServeError> {
    let refused = |source| ServeError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;

    let private = match config.database_url {
        Some(_) => None,
        None => Some(Private::start().await?),
    };
    let url = match (&config.database_url, &private) {
        (Some(url), _) => url.clone(),
        (None, Some(private)) => private.url().to_owned(),
        (None, None) => String::new(),
    };
    let pool = pool(&url, config.pool_size.into())?;
    let environment = if private.is_some() { private::ENVIRONMENT } else { &config.environment };
    let patience =
        refit::ConnectOptions { retry_for: config.retry_for(), ..refit::ConnectOptions::default() };
    let interrupt = refit::Interrupt::new();
    let migrator = refit::Migrator::new(&MIGRATIONS).environment(environment).connect_options(patience);
    let migrator = Arc::new(migrator.interrupt(interrupt.clone()));

    metrics::recorder();
    let (phase, watched) = watch::channel(Phase::Migrating);
    let router = router(State::new(pool.clone(), migrator.clone(), watched.clone()));
    let serve = axum::serve(listener, router).with_graceful_shutdown(stopping(watched));
    let server = tokio::spawn(async move { serve.await });
    tracing::info!(%address, "listening");
    Ok(Running { address, url, phase, pool, migrator, interrupt, server, private, drain: config.drain() })
}

impl Running {
    /// Ends a run of migrations that is under way: its statement is canceled, and [`Running::migrate`] says what is applied.
    pub fn interrupt(&self) -> refit::Interrupt {
        self.interrupt.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Applies the migrations, then lets requests in. Dropping the future ends the run; what was applied stays.
    ///
    /// # Errors
    /// When the database cannot be reached or a migration fails. The service still answers `/healthz` then.
    pub async fn migrate(&self) -> Result<refit::Report, ServeError> {
        let report = self.migrator.run(&self.url).await?;
        tracing::info!(
            applied = report.steps.len(),
            version = report.version,
            duration = ?report.duration,
            waited = ?report.waited,
            "migrated"
        );
        if let Some(private) = &self.private {
            private.seed().await?;
        }
        self.phase.send_replace(Phase::Serving);
        tracing::info!(address = %self.address, "ready");
        Ok(report)
    }

    /// Waits until the server of the port ends by itself, which it only does when something is wrong.
    pub async fn ended(&mut self) -> ServeError {
        ServeError::Server(match (&mut self.server).await {
            Ok(Ok(())) => std::io::Error::other("no reason given"),
            Ok(Err(error)) => error,
            Err(error) => std::io::Error::other(error),
        })
    }

    /// Lets open requests finish, closes the pool, and stops the private server if there is one.
    pub async fn stop(self) {
        tracing::info!("stopping");
        self.phase.send_replace(Phase::Stopping);
        let abort = self.server.abort_handle();
        if !abort.is_finished() && tokio::time::timeout(self.drain, self.server).await.is_err() {
            tracing::warn!(after = ?self.drain, "requests are still open; they are cut");
            abort.abort();
        }
        self.pool.close();
        if let Some(private) = self.private {
            private.stop().await;
        }
        tracing::info!("stopped");
    }
}

async fn stopping(mut phase: watch::Receiver<Phase>) {
    // An error means that the sender is gone, and with it the service.
    let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
}

/// A pool that connects on demand, so that it can be made while the database is away.
fn pool(url: &str, size: usize) -> Result<Pool, ServeError> {
    let target = refit::Target::parse(url)?;
    let mut config = target.config().clone();
    if config.get_application_name().is_none() {
        config.application_name("content-service");
    }
    tracing::info!(database = %target.address(), size, "connection pool");
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, target.connector()?, recycling);
    let limit = Hook::async_fn(|client, _| {
        Box::pin(async move { client.batch_execute(STATEMENT_TIMEOUT).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(size)
        .timeouts(Timeouts { wait: Some(POOL_WAIT), create: Some(POOL_WAIT), recycle: Some(POOL_WAIT) })
        .runtime(Runtime::Tokio1)
        .post_create(limit)
        .build()
        .map_err(|error| ServeError::Pool(error.into()))
}
