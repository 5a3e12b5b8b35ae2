//! `cargo xtask backup doctor|create|verify|list|prune|restore`

mod create;
mod doctor;
mod list;
mod prune;
mod restore;
mod verify;

use std::process::ExitCode;

use crate::context::Context;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A backup is a dump of some tables or of the whole database, a restore point in the write-ahead log, or what a \
                  program makes. `migrate --backup KIND` makes one before the first step.\n\n\
                  Exit status: 0 success; 1 a backup cannot be made, or a verification failed; 2 could not run.\n\n\
                  Examples:\n  cargo xtask backup doctor\n  cargo xtask backup create --tables orders,customers\n  \
                  cargo xtask backup list --format json | jq '.[-1].id'\n  \
                  cargo xtask backup verify 20261129T010203Z-4f2a9c\n  \
                  cargo xtask backup restore 20261129T010203Z-4f2a9c --tables orders"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show whether a backup can be made: pg_dump, free space, archiving, rights
    Doctor(doctor::Args),
    /// Make a backup
    Create(create::Args),
    /// Restore a backup into a private server, and compare its rows with those of its creation
    Verify(verify::Args),
    /// List the backups of the folder and the database
    List(list::Args),
    /// Remove old backups
    Prune(prune::Args),
    /// Bring the rows of a backup back, after showing what would be lost
    Restore(restore::Args),
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Doctor(args) => Box::pin(doctor::run(args, context)).await,
        Action::Create(args) => Box::pin(create::run(args, context)).await,
        Action::Verify(args) => Box::pin(verify::run(args, context)).await,
        Action::List(args) => Box::pin(list::run(args, context)).await,
        Action::Prune(args) => Box::pin(prune::run(args, context)).await,
        Action::Restore(args) => Box::pin(restore::run(args, context)).await,
    }
}
