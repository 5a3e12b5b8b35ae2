//! The commands. Each has a file with its arguments and help, and `run`.

mod adopt;
mod approve;
mod backfill;
mod backup;
mod budget;
mod check;
mod ci;
mod completions;
mod devdb;
mod doc;
mod explain;
mod lint_migrations;
mod migrate;
mod new_migration;
mod plan;
mod rehearse;
mod renumber;
mod repair;
mod report;
mod rollback;
mod snapshot;
mod squash;
mod status;
mod verify;

use std::process::ExitCode;

use crate::context::Context;

/// Refit's commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write the files of a new migration, or all files of a recipe: a safe change in several steps
    NewMigration(new_migration::Args),
    /// Find what a migration locks, rewrites, breaks or loses, and show the safe way
    LintMigrations(lint_migrations::Args),
    /// Give the migrations of this branch versions after those of the main branch
    Renumber(renumber::Args),
    /// Run migrations on a private PostgreSQL: locks, rewrites, scans, times, waits, and whether down files restore the schema
    Rehearse(rehearse::Args),
    /// Write the schema that the migrations create and the changes of each; print or compare schemas
    Snapshot(snapshot::Args),
    /// Write the schema of a version as a checkpoint, with which new databases begin
    Squash(squash::Args),
    /// Compare a database with the snapshot of its migrations, and list the differences
    Verify(verify::Args),
    /// Run the checks of applied migrations and of the whole database, and list what is wrong
    Check(check::Args),
    /// Measure the queries that have a budget
    Budget(budget::Args),
    /// Approve migrations, and show or check which ones lack approvals
    Approve(approve::Args),
    /// Show the page of a lint rule, or of a recipe
    Explain(explain::Args),
    /// Show pending and held migrations, and why they are held
    Plan(plan::Args),
    /// Apply pending migrations
    Migrate(migrate::Args),
    /// Undo the last migration, or all above a version, newest first, including rows changed by backfills
    Rollback(rollback::Args),
    /// Run, watch and control backfills, which change rows in batches while services run
    Backfill(backfill::Args),
    /// Make, verify, list, remove and restore backups
    Backup(backup::Args),
    /// Show the status of a database: applied, pending, running and blocked migrations
    Status(status::Args),
    /// Show what a run did: steps, durations, lock waits, notices, errors and backfills; compare two runs
    Report(report::Args),
    /// Accept an edited file or forget a missing one, after showing the difference
    Repair(repair::Args),
    /// Adopt a database of refinery, sqlx, diesel or Flyway, or one without a history
    Adopt(adopt::Args),
    /// Write the migrations as one HTML page: purpose, changes, locks, findings, checks and dependencies
    Doc(doc::Args),
    /// Start, use and stop a private PostgreSQL for development
    Devdb(devdb::Args),
    /// Run the checks of CI
    Ci(ci::Args),
    /// Print a shell completion script
    Completions(completions::Args),
}

impl Command {
    /// Whether the command needs an async runtime.
    pub fn needs_runtime(&self) -> bool {
        match self {
            Command::LintMigrations(args) => args.needs_runtime(),
            Command::Approve(_)
            | Command::Renumber(_)
            | Command::Doc(_)
            | Command::Explain(_)
            | Command::Completions(_) => false,
            _ => true,
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// When the command could not run: exit status 2.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Command::NewMigration(args) => new_migration::run(&args, context).await,
            Command::LintMigrations(args) => Box::pin(lint_migrations::run(&args, context)).await,
            Command::Renumber(args) => renumber::run(&args, context),
            Command::Rehearse(args) => Box::pin(rehearse::run(&args, context)).await,
            Command::Snapshot(args) => Box::pin(snapshot::run(&args, context)).await,
            Command::Squash(args) => Box::pin(squash::run(&args, context)).await,
            Command::Verify(args) => Box::pin(verify::run(&args, context)).await,
            Command::Check(args) => Box::pin(check::run(&args, context)).await,
            Command::Budget(args) => Box::pin(budget::run(&args, context)).await,
            Command::Approve(args) => approve::run(&args, context),
            Command::Explain(args) => explain::run(&args, context),
            Command::Plan(args) => Box::pin(plan::run(&args, context)).await,
            Command::Migrate(args) => Box::pin(migrate::run(&args, context)).await,
            Command::Rollback(args) => Box::pin(rollback::run(&args, context)).await,
            Command::Backfill(args) => Box::pin(backfill::run(&args, context)).await,
            Command::Backup(args) => Box::pin(backup::run(&args, context)).await,
            Command::Status(args) => Box::pin(status::run(&args, context)).await,
            Command::Report(args) => Box::pin(report::run(&args, context)).await,
            Command::Repair(args) => Box::pin(repair::run(&args, context)).await,
            Command::Adopt(args) => Box::pin(adopt::run(&args, context)).await,
            Command::Doc(args) => doc::run(&args, context),
            Command::Devdb(args) => Box::pin(devdb::run(&args, context)).await,
            Command::Ci(args) => ci::run(&args, context),
            Command::Completions(args) => completions::run(&args, context),
        }
    }
}
