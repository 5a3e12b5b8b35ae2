//! The database of a command: the named one, that of a running `devdb`, or a private one.

use std::time::Duration;

use anyhow::Context as _;
use refit::{ConnectOptions, Connection, Migrator, Target, application_name};
use refit_catalog::{Catalog, ReadOptions};
use refit_devdb::{Detached, Server, ServerOptions};
use refit_rehearsal::{RehearsalServer, server_options};

use crate::context::Context;
use crate::output::Output;

/// The name of the server that `devdb start` starts.
pub(crate) const DEVDB: &str = "default";

/// A database, and its private server, if any, which is removed on drop.
pub(crate) struct Database {
    url: String,
    /// Whether it is one of Refit's own, for development.
    is_disposable: bool,
    _server: Option<Server>,
}

impl Database {
    /// The named database, or that of a running `devdb`.
    pub(crate) fn named(context: &Context) -> anyhow::Result<Database> {
        let url = context.global.database_url.clone().context(
            "no database: give --database-url, set DATABASE_URL, or start one with `cargo xtask devdb start`",
        );
        match running_devdb(DEVDB)? {
            Some(devdb) if context.global.database_url.is_none() => {
                context.out.note("using the server of `cargo xtask devdb start`");
                Ok(Database { url: devdb.url("postgres"), is_disposable: true, _server: None })
            }
            _ => Ok(Database { url: url?, is_disposable: false, _server: None }),
        }
    }

    /// The named database, else an empty private one that is removed when the command ends.
    pub(crate) async fn named_or_private(context: &Context) -> anyhow::Result<Database> {
        if context.global.database_url.is_some() || running_devdb(DEVDB)?.is_some() {
            return Database::named(context);
        }
        Database::private(context).await
    }

    /// An empty private database that is removed when the command ends.
    pub(crate) async fn private(context: &Context) -> anyhow::Result<Database> {
        let server = tokio::task::spawn_blocking(|| Server::start(ServerOptions::from_env())).await??;
        context.out.note(format_args!(
            "using a private PostgreSQL {}, which is removed afterwards",
            server.binaries().version()
        ));
        Ok(Database { url: server.url("postgres"), is_disposable: true, _server: Some(server) })
    }

    /// Whether it is private or that of `devdb`: profiles of environments do not protect it.
    pub(crate) fn is_disposable(&self) -> bool {
        self.is_disposable
    }

    /// The migrator for this database: without the profile of its environment if the database is disposable.
    pub(crate) fn protected(&self, migrator: Migrator) -> Migrator {
        match self.is_disposable {
            true => migrator.ignore_profile(),
            false => migrator,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its address without credentials.
    pub(crate) fn address(&self) -> String {
        Target::parse(&self.url).map_or_else(|_| "the database".to_owned(), |target| target.address())
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        Ok(refit::connect(&self.url, &connect_options()).await?)
    }
}

/// Starts a private server on which migrations run, with the options of the environment.
///
/// # Errors
/// When it does not start.
pub(crate) async fn rehearsal_server() -> Result<RehearsalServer, refit_rehearsal::Error> {
    RehearsalServer::start(server_options(ServerOptions::from_env())).await
}

/// Reads a database's schema, with two sessions if the server allows, and calls `then` before they are closed: closing a
/// session takes longer than most uses of the schema.
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

/// Refuses a connection pooler for a command that takes locks or changes settings in its session, unless
/// `--session-pooler` is given.
pub(crate) async fn refuse_pooler(connection: &Connection, context: &Context) -> anyhow::Result<()> {
    match context.global.session_pooler {
        true => Ok(()),
        false => Ok(refit::refuse_pooler(connection).await?),
    }
}

/// Makes the migrator print a note when it waits for another run.
pub(crate) fn with_waiting_note(migrator: Migrator, out: Output) -> Migrator {
    migrator.observe(move |event| {
        if let refit::Event::Waiting { holder, .. } = event {
            out.note(format_args!("waiting for another run: {holder}"));
        }
    })
}

/// Options for interactive use: wait for a restarting server, but not long, in case of a mistyped address.
pub(crate) fn connect_options() -> ConnectOptions {
    ConnectOptions {
        retry_for: Duration::from_secs(5),
        application_name: application_name::XTASK.to_owned(),
        ..ConnectOptions::default()
    }
}

pub(crate) fn running_devdb(name: &str) -> anyhow::Result<Option<Detached>> {
    Ok(Detached::find(name, &ServerOptions::from_env())?)
}
