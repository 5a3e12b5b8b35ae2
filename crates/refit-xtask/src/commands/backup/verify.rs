//! `cargo xtask backup verify`

use std::process::ExitCode;

use refit_backup::verify;

use crate::backups::Location;
use crate::context::Context;
use crate::interrupt::interruptible;
use crate::render;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It needs no database: the file's SHA-256 is checked, a private server of the same major version is started, and the \
                  number of rows and a digest of each table are compared with those when the backup was made.\n\n\
                  Exit status: 0 every table has the same rows; 1 a table differs; 2 the file is damaged, or could not run.\n\n\
                  Examples:\n  cargo xtask backup verify 20261129T010203Z-4f2a9c\n  \
                  cargo xtask backup verify 20261129T010203Z-4f2a9c --format json | jq .tables"
)]
pub(super) struct Args {
    /// The ID of the backup
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    location: Location,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let options = args.location.options(context);
    let work = verify(&args.id, &options);
    let verification = interruptible(&context.interrupt, context.out, work).await??;
    context.out.result(&verification, render::backups::verification(&verification))?;
    Ok(if verification.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
