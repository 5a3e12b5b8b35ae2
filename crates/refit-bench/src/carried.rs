//! The migrations that are embedded in a binary, for each of the three tools, and one boot with each.
//!
//! A tool gets its migrations in the form in which its own macro embeds them, and a boot is everything that the tool does with
//! them each time a process starts. The macros themselves cannot be used: they need files at compile time, and the benchmark
//! generates its migrations.

use std::borrow::Cow;

use anyhow::Context;
use include_dir::{Dir, DirEntry, File};
use refinery_core::{Migration, Runner, Target};
use refit_model::{Approval, LintSeverity, MigrationSet, SetStep, SourceFile};
use sqlx::migrate::{MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, SqlStr};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::sample::Text;

/// One of the tools that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tool {
    Refit,
    Refinery,
    Sqlx,
}

impl Tool {
    /// In the order of the table's columns.
    pub(crate) const ALL: [Tool; 3] = [Tool::Refit, Tool::Refinery, Tool::Sqlx];

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::Refit => "refit",
            Tool::Refinery => "refinery",
            Tool::Sqlx => "sqlx",
        }
    }

    /// The name of its history table.
    pub(crate) fn history(self) -> &'static str {
        match self {
            Tool::Refit | Tool::Refinery => "refinery_schema_history",
            Tool::Sqlx => "_sqlx_migrations",
        }
    }
}

/// The migrations inside a binary, in the form of each tool.
pub(crate) struct Carried {
    /// refinery: the stems and texts from which `embed_migrations!` builds its list at every call of `runner()`.
    named: Vec<(&'static str, &'static str)>,
    /// sqlx: what `migrate!` expands to, including checksums, as a static.
    sqlx: Migrator,
    /// Refit: what `embed!` expands to, including digests, as a static.
    embedded: &'static refit::Embedded,
}

impl Carried {
    /// Puts the texts "into the binary". Their memory is never freed, like that of a binary's own data.
    pub(crate) fn new(texts: &[Text]) -> anyhow::Result<Carried> {
        let named: Vec<_> = texts.iter().map(|text| (leak(text.stem()), leak(text.sql.clone()))).collect();
        let sqlx = texts.iter().zip(&named).map(|(text, (_, sql))| {
            sqlx::migrate::Migration::new(
                text.version,
                Cow::Owned(text.name.replace('_', " ")),
                MigrationType::Simple,
                SqlStr::from_static(sql),
                !text.transaction,
            )
        });
        let sqlx = Migrator::with_migrations(sqlx.collect());
        let files: Vec<_> = named.iter().map(|(stem, sql)| (leak(format!("{stem}.sql")), *sql)).collect();
        Ok(Carried { embedded: embed(&files)?, named, sqlx })
    }

    /// What `embed!` expands to for the same migrations with a profile for `production`, an approval and a check of each.
    pub(crate) fn with_profile(&self) -> anyhow::Result<&'static refit::Embedded> {
        let mut files: Vec<(String, String)> =
            self.files().map(|(stem, sql)| (format!("{stem}.sql"), sql.to_owned())).collect();
        for (stem, _) in self.files() {
            let check = format!("-- check: {stem}\nSELECT id FROM public.t WHERE id IS NULL;\n");
            files.push((format!("{stem}.check.sql"), check));
        }
        let checked = files.iter().map(|(path, sql)| SourceFile::new(path.as_str(), sql.as_bytes().to_vec()));
        let checked = MigrationSet::from_files("(generated)", checked.collect())?;
        anyhow::ensure!(checked.checks().count() >= checked.migrations().len(), "checks are missing");
        let approval = |step: SetStep<'_>| {
            let digest = step.digest();
            let by = "alice@example.com";
            Approval::new(&step.file().stem, &digest, by, "2026-11-29T00:20:00Z", LintSeverity::Clean)
                .to_toml()
        };
        files.push(("approvals.toml".to_owned(), checked.steps().map(approval).collect()));
        files.push(("refit.toml".to_owned(), PROFILE.to_owned()));
        let files: Vec<_> = files.into_iter().map(|(path, text)| (leak(path), leak(text))).collect();
        embed(&files)
    }

    /// One boot on an open connection.
    pub(crate) async fn boot(&self, session: &mut Session) -> anyhow::Result<()> {
        match session {
            Session::Refit(open) => {
                refit::Migrator::new(self.embedded).apply(&open.client).await?;
            }
            Session::Refinery(open) => {
                self.runner()?.run_async(&mut open.client).await?;
            }
            Session::Sqlx(connection) => self.sqlx.run(connection).await?,
        }
        Ok(())
    }

    /// Records every migration in the history without running it, with the tool's own function. Refit uses refinery's history
    /// table.
    pub(crate) async fn record(&self, session: &mut Session) -> anyhow::Result<()> {
        match session {
            Session::Refit(open) | Session::Refinery(open) => {
                self.runner()?.set_target(Target::Fake).run_async(&mut open.client).await?;
            }
            Session::Sqlx(connection) => self.sqlx.skip(connection, None).await?,
        }
        Ok(())
    }

    /// The texts in order, as one file.
    pub(crate) fn concatenated(&self) -> String {
        self.named.iter().map(|(_, sql)| *sql).collect()
    }

    /// What `embed!` expands to.
    pub(crate) fn embedded(&self) -> &'static refit::Embedded {
        self.embedded
    }

    /// Stems and texts.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.named.iter().copied()
    }

    /// Does what the function that `embed_migrations!` expands to does, including its copies.
    fn runner(&self) -> anyhow::Result<Runner> {
        let quoted: Vec<(&str, String)> =
            self.named.iter().map(|(stem, sql)| (*stem, (*sql).to_owned())).collect();
        let mut migrations = Vec::new();
        for (stem, sql) in quoted {
            migrations.push(Migration::unapplied(stem, &sql)?);
        }
        Ok(Runner::new(&migrations))
    }
}

/// A profile that requires what a profile can require without a program outside the database.
const PROFILE: &str = "\
[environment.production]
boot = \"apply\"
checks = true
approvals = { error = 2, warn = 1, clean = 1 }
windows = [\"Sat,Sun 01:00-05:00 Europe/Berlin\"]
freeze = [\"2026-12-20/2027-01-02\"]
";

/// Does what `refit-build` and `embed!` do with files, which are paths and texts: the folder's bytes, and the digest of the history
/// that it results in.
fn embed(files: &[(&'static str, &'static str)]) -> anyhow::Result<&'static refit::Embedded> {
    let sources = files.iter().map(|(path, text)| SourceFile::new(*path, text.as_bytes()));
    let set = MigrationSet::from_files("(generated)", sources.collect())?;
    let digest = set.history_digest("");
    let entries = files.iter().map(|(path, text)| DirEntry::File(File::new(path, text.as_bytes())));
    let entries: &'static [DirEntry<'static>] = Box::leak(entries.collect::<Vec<_>>().into_boxed_slice());
    let folder: &'static Dir<'static> = Box::leak(Box::new(Dir::new("", entries)));
    let embedded = refit::Embedded::new(
        folder,
        leak(digest.versioned),
        leak(digest.repeatable.unwrap_or_default()),
        leak(digest.newest.unwrap_or(-1).to_string()),
    );
    Ok(Box::leak(Box::new(embedded)))
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// An open connection of the type that a tool uses.
pub(crate) enum Session {
    Refit(Open),
    Refinery(Open),
    Sqlx(PgConnection),
}

/// A tokio-postgres client and the task that drives it.
pub(crate) struct Open {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
}

impl Open {
    /// Connects.
    pub(crate) async fn new(url: &str) -> anyhow::Result<Open> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("cannot connect")?;
        // An error of the connection is also the error of the client's current call.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Open { client, driver })
    }

    /// Closes the connection, and waits until the message is sent.
    pub(crate) async fn close(self) {
        drop(self.client);
        let _ = self.driver.await;
    }
}

impl Session {
    /// Connects as the tool does.
    pub(crate) async fn open(tool: Tool, url: &str) -> anyhow::Result<Session> {
        Ok(match tool {
            Tool::Refit => Session::Refit(Open::new(url).await?),
            Tool::Refinery => Session::Refinery(Open::new(url).await?),
            Tool::Sqlx => Session::Sqlx(PgConnection::connect(url).await.context("cannot connect")?),
        })
    }

    /// Runs statements that return no rows.
    pub(crate) async fn execute(&mut self, sql: &'static str) -> anyhow::Result<()> {
        match self {
            Session::Refit(open) | Session::Refinery(open) => open.client.batch_execute(sql).await?,
            Session::Sqlx(connection) => {
                sqlx::raw_sql(sql).execute(connection).await?;
            }
        }
        Ok(())
    }

    /// Clears the client's prepared statements: a process that boots has none.
    pub(crate) async fn forget(&mut self) -> anyhow::Result<()> {
        match self {
            Session::Refit(open) | Session::Refinery(open) => open.client.clear_type_cache(),
            Session::Sqlx(connection) => connection.clear_cached_statements().await?,
        }
        Ok(())
    }

    /// Closes the connection.
    pub(crate) async fn close(self) {
        match self {
            Session::Refit(open) | Session::Refinery(open) => open.close().await,
            Session::Sqlx(connection) => drop(connection.close().await),
        }
    }
}
