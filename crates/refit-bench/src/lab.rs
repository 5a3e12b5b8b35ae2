//! The server of a benchmark, its databases, and the sets that are measured on it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use refit_devdb::{Server, ServerOptions};

use super::carried::{Carried, Open, Session, Tool};
use super::proxy::Proxy;
use super::release::Pace;
use super::sample;

/// The size of the set that most rows measure.
pub(crate) const THOUSAND: i64 = 1_000;

/// The environment in which a row is measured.
pub(crate) struct Lab {
    server: Server,
    admin: Open,
    /// A thousand migrations, inside the binary.
    pub(crate) thousand: Carried,
    /// Databases on which a tool has applied its set.
    applied: HashSet<String>,
    pub(crate) pace: Pace,
    /// Whether to print what is being measured.
    tell: bool,
}

impl Lab {
    /// Starts a private server with default durability settings.
    pub(crate) async fn open(pace: Pace, tell: bool) -> anyhow::Result<Lab> {
        // The default value; devdb uses less.
        let options =
            ServerOptions { durable: true, ..ServerOptions::from_env() }.setting("shared_buffers", "128MB");
        let server = tokio::task::spawn_blocking(|| Server::start(options)).await??;
        let admin = Open::new(&server.url("postgres")).await?;
        let thousand = Carried::new(&sample::history(THOUSAND))?;
        Ok(Lab { server, admin, thousand, applied: HashSet::new(), pace, tell })
    }

    /// The server and settings of the measurement.
    pub(crate) fn describe(&self) -> String {
        let version = self.server.binaries().version();
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!(
            "PostgreSQL {version} with stock settings (fsync and synchronous_commit on), over a Unix socket; \
             {profile} build of all three tools; {cores} cores; medians of runs by turns, ratios within a turn"
        )
    }

    /// Prints what is being measured to standard error.
    pub(crate) fn say(&self, what: &str) {
        super::output::say(self.tell, what);
    }

    /// The URL of a database, over the socket.
    pub(crate) fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// A program that is installed with the server, if there is one of that name.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        self.server.binaries().tool(name)
    }

    /// A proxy in front of the server.
    pub(crate) fn proxy(&self, delay: Duration) -> anyhow::Result<Proxy> {
        let socket = self.server.dir().join(format!(".s.PGSQL.{}", self.server.port()));
        Proxy::start(&socket, delay)
    }

    /// Creates an empty database.
    pub(crate) async fn create(&self, database: &str) -> anyhow::Result<()> {
        let sql = format!("CREATE DATABASE {database}");
        self.admin
            .client
            .batch_execute(&sql)
            .await
            .with_context(|| format!("cannot create database {database}"))
    }

    /// Drops a database, and ends the sessions in it. Ends with a checkpoint, so that the next contender does not pay for its writes.
    pub(crate) async fn discard(&self, database: &str) -> anyhow::Result<()> {
        let sql = format!("DROP DATABASE {database} WITH (FORCE)");
        self.admin
            .client
            .batch_execute(&sql)
            .await
            .with_context(|| format!("cannot drop database {database}"))?;
        self.checkpoint().await
    }

    /// Runs a checkpoint, so that none runs during a measurement.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        Ok(self.admin.client.batch_execute("CHECKPOINT").await?)
    }

    /// One database per tool, on which the thousand migrations were applied once; then the database is vacuumed, as it would be
    /// after a while.
    pub(crate) async fn applied(&mut self) -> anyhow::Result<[String; 3]> {
        let databases = Tool::ALL.map(|tool| format!("thousand_{}", tool.name()));
        for (tool, database) in Tool::ALL.into_iter().zip(&databases) {
            if self.applied.contains(database) {
                continue;
            }
            self.say(&format!("applying a thousand migrations with {}", tool.name()));
            self.create(database).await?;
            let mut session = Session::open(tool, &self.url(database)).await?;
            self.thousand.boot(&mut session).await.with_context(|| format!("{} failed", tool.name()))?;
            settle(&mut session).await?;
            session.close().await;
            self.applied.insert(database.clone());
        }
        self.checkpoint().await?;
        Ok(databases)
    }

    /// One database per tool, with the set recorded in its history without having run.
    pub(crate) async fn recorded(&self, set: &Carried) -> anyhow::Result<[String; 3]> {
        let databases = Tool::ALL.map(|tool| format!("recorded_{}", tool.name()));
        for (tool, database) in Tool::ALL.into_iter().zip(&databases) {
            self.create(database).await?;
            let mut session = Session::open(tool, &self.url(database)).await?;
            session.execute("SET synchronous_commit = off").await?;
            set.record(&mut session).await.with_context(|| format!("{} failed", tool.name()))?;
            settle(&mut session).await?;
            session.close().await;
        }
        self.checkpoint().await?;
        Ok(databases)
    }
}

/// Does what autovacuum would do within a minute.
async fn settle(session: &mut Session) -> anyhow::Result<()> {
    session.execute("VACUUM ANALYZE").await
}
