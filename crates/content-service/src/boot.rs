//! The life cycle of the service: bind, answer `/healthz`, migrate, serve, drain, close.
//!
//! The port is bound before the first migration, so that a health check can distinguish "migrating" from "dead". Every
//! part that was started is stopped on all exit paths.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::handlers::metrics;
use crate::migrations::MIGRATIONS;
use crate::private::{self, Private};
use crate::router::router;
use crate::serve_error::ServeError;
use crate::state::{Phase, State};

/// How long a request waits for a connection.
const POOL_WAIT: Duration = Duration::from_secs(5);
/// Time limit for a statement of a request. Longer than the lock timeout of a migration, so that a request that waits for
/// a migration is delayed but does not fail.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '15s'";

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

/// Binds the port and starts to serve: `/healthz` works, everything else returns 503. Call [`Running::migrate`] next.
///
/// # Errors
/// When the address is in use, the URL is invalid, or there is neither a database nor a private server.
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
    let connect_options =
        refit::ConnectOptions { retry_for: config.retry_for(), ..refit::ConnectOptions::default() };
    let interrupt = refit::Interrupt::new();
    let migrator =
        refit::Migrator::new(&MIGRATIONS).environment(environment).connect_options(connect_options);
    let progress = refit::Progress::default();
    let migrator = Arc::new(migrator.interrupt(interrupt.clone()).progress(&progress));

    metrics::recorder();
    let (phase, watched) = watch::channel(Phase::Migrating);
    let router = router(State::new(pool.clone(), migrator.clone(), progress, watched.clone()));
    let serve = axum::serve(listener, router).with_graceful_shutdown(stopping(watched));
    let server = tokio::spawn(async move { serve.await });
    tracing::info!(%address, "listening");
    Ok(Running { address, url, phase, pool, migrator, interrupt, server, private, drain: config.drain() })
}

impl Running {
    /// A handle that interrupts the migrations: the running statement is canceled, and the error of [`Running::migrate`]
    /// reports what has been applied.
    pub fn interrupt(&self) -> refit::Interrupt {
        self.interrupt.clone()
    }

    /// The address that the service listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Applies the migrations, then accepts requests. Dropping the future stops the run; applied migrations stay applied.
    ///
    /// # Errors
    /// When the database cannot be reached or a migration fails. The service still answers `/healthz`.
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

    /// Waits until the HTTP server exits, which it does only on an error.
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
            tracing::warn!(after = ?self.drain, "aborting requests that are still open");
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
    // An error means that the sender, and so the service, was dropped.
    let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
}

/// Creates a pool that connects on demand, so that the database need not be available yet.
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
