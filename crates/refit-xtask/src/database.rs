//! The database that a command works on: the one that is named, a `devdb` that is running, or a private one.

use std::time::Duration;

use anyhow::Context as _;
use refit::{ConnectOptions, Connection, Target};
use refit_catalog::{Catalog, ReadOptions};
use refit_devdb::{Detached, Server, ServerOptions};

use crate::context::Context;
use crate::output::Output;

/// The name of the server that `devdb start` starts.
pub(crate) const DEVDB: &str = "default";

/// A database, and the private server that it is on, which goes with it.
pub(crate) struct Database {
    url: String,
    _server: Option<Server>,
}

impl Database {
    /// The database that is named, and no other.
    pub(crate) fn named(context: &Context) -> anyhow::Result<Database> {
        let url = context.global.database_url.clone().context(
            "which database? give --database-url, set DATABASE_URL, or start one with `cargo xtask devdb start`",
        );
        match running_devdb(DEVDB)? {
            Some(devdb) if context.global.database_url.is_none() => {
                context.out.note("using the database that `cargo xtask devdb start` started");
                Ok(Database { url: devdb.url("postgres"), _server: None })
            }
            _ => Ok(Database { url: url?, _server: None }),
        }
    }

    /// The database that is named, else a private and empty one that ends with the command.
    pub(crate) async fn named_or_private(context: &Context) -> anyhow::Result<Database> {
        if context.global.database_url.is_some() || running_devdb(DEVDB)?.is_some() {
            return Database::named(context);
        }
        Database::private(context).await
    }

    /// A private and empty one that ends with the command.
    pub(crate) async fn private(context: &Context) -> anyhow::Result<Database> {
        let server = tokio::task::spawn_blocking(|| Server::start(ServerOptions::from_env())).await??;
        context.out.note(format_args!(
            "working on a private PostgreSQL {}, thrown away at the end",
            server.binaries().version()
        ));
        Ok(Database { url: server.url("postgres"), _server: Some(server) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it is, without secrets.
    pub(crate) fn address(&self) -> String {
        Target::parse(&self.url).map_or_else(|_| "the database".to_owned(), |target| target.address())
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        Ok(refit::connect(&self.url, &connect_options()).await?)
    }
}

/// Reads a database's schema, by two sessions where the server lets in as many, and hands it on before they are closed: ending
/// a session keeps a server busy for longer than it takes to tell of what it said.
pub(crate) async fn with_schema<T>(
    url: &str,
    read: &ReadOptions,
    then: impl FnOnce(Catalog) -> T,
) -> anyhow::Result<T> {
    let patient = connect_options();
    let once = ConnectOptions { retry_for: Duration::ZERO, ..patient.clone() };
    let (first, second) = tokio::join!(refit::connect(url, &patient), refit::connect(url, &once));
    let first = first?;
    let catalog = match &second {
        Ok(second) => Catalog::read_by_two([&first, second], read).await,
        Err(_) => Catalog::read(&first, read).await,
    };
    Ok(then(catalog?))
}

/// Changes the history, all of it or nothing: `sql` runs in a transaction, under the migration lock.
///
/// The lock is polled for outside of the transaction: a blocked session would be waited for by CREATE INDEX CONCURRENTLY.
pub(crate) async fn change_history(connection: &Connection, out: Output, sql: &str) -> anyhow::Result<()> {
    let told = move |event: &refit::Event<'_>| {
        if let refit::Event::Waiting { holder, .. } = event {
            out.note(format_args!("waiting for a run to finish: {holder}"));
        }
    };
    refit::lock(connection, LOCK_WAIT, told).await?;
    let changed = connection.batch_execute(&format!("BEGIN;{sql}COMMIT")).await;
    if changed.is_err() {
        connection.batch_execute("ROLLBACK").await.ok();
    }
    refit::unlock(connection).await;
    changed.map_err(|error| anyhow::anyhow!("nothing was changed: {}", crate::output::told(&error.into())))
}

/// As long as a run waits.
const LOCK_WAIT: Duration = Duration::from_secs(15 * 60);

/// A person waits: patience for a restart, not for a typing mistake.
pub(crate) fn connect_options() -> ConnectOptions {
    ConnectOptions {
        retry_for: Duration::from_secs(5),
        application_name: "refit xtask".to_owned(),
        ..ConnectOptions::default()
    }
}

pub(crate) fn running_devdb(name: &str) -> anyhow::Result<Option<Detached>> {
    Ok(Detached::find(name, &ServerOptions::from_env())?)
}
