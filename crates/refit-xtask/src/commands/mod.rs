//! The commands, one file each: doc comment (its help), arguments, `run`.

mod adopt;
mod backfill;
mod ci;
mod completions;
mod devdb;
mod explain;
mod lint_migrations;
mod migrate;
mod new_migration;
mod plan;
mod rehearse;
mod repair;
mod rollback;
mod snapshot;
mod status;
mod verify;

use std::process::ExitCode;

use crate::context::Context;

/// Refit's commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write the files of a new migration
    NewMigration(new_migration::Args),
    /// Find what a migration locks, rewrites, breaks or loses, and show the safe way
    LintMigrations(lint_migrations::Args),
    /// Run migrations on a private PostgreSQL: locks, rewrites, scans, times, who waited, and whether down leads back
    Rehearse(rehearse::Args),
    /// Write the schema that the migrations make, and what each changes in it; print or compare schemas
    Snapshot(snapshot::Args),
    /// Compare a database with the snapshot of its migrations, and name every difference
    Verify(verify::Args),
    /// Show the page of a lint rule
    Explain(explain::Args),
    /// Show what would run, what is held back, and why
    Plan(plan::Args),
    /// Apply what is pending
    Migrate(migrate::Args),
    /// Undo what was applied above a version, newest first, rows of backfills included
    Rollback(rollback::Args),
    /// Run, watch and control backfills: rows changed in batches while services serve
    Backfill(backfill::Args),
    /// Show where a database stands: applied, pending, who is at work, what is stuck
    Status(status::Args),
    /// Accept an edited file, or forget a missing one, after showing what differs
    Repair(repair::Args),
    /// Take over a database from refinery, sqlx, diesel or Flyway, or without a history
    Adopt(adopt::Args),
    /// Start, use and stop a private PostgreSQL
    Devdb(devdb::Args),
    /// What CI runs
    Ci(ci::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

impl Command {
    /// Whether the command waits for nobody.
    pub fn is_plain(&self) -> bool {
        match self {
            Command::LintMigrations(args) => args.is_plain(),
            Command::Explain(_) | Command::Completions(_) => true,
            _ => false,
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// What kept it from running; exit status 2.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Command::NewMigration(args) => new_migration::run(&args, context),
            Command::LintMigrations(args) => lint_migrations::run(&args, context).await,
            Command::Rehearse(args) => rehearse::run(&args, context).await,
            Command::Snapshot(args) => snapshot::run(&args, context).await,
            Command::Verify(args) => verify::run(&args, context).await,
            Command::Explain(args) => explain::run(&args, context),
            Command::Plan(args) => plan::run(&args, context).await,
            Command::Migrate(args) => migrate::run(&args, context).await,
            Command::Rollback(args) => rollback::run(&args, context).await,
            Command::Backfill(args) => backfill::run(&args, context).await,
            Command::Status(args) => status::run(&args, context).await,
            Command::Repair(args) => repair::run(&args, context).await,
            Command::Adopt(args) => adopt::run(&args, context).await,
            Command::Devdb(args) => devdb::run(&args, context).await,
            Command::Ci(args) => ci::run(&args, context),
            Command::Completions(args) => completions::run(&args, context),
        }
    }
}
