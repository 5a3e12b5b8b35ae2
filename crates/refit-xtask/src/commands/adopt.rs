//! `cargo xtask adopt`

use std::process::ExitCode;

use anyhow::bail;

use crate::adopt::{Proof, Tables, Tool, read};
use crate::context::{Context, version_argument};
use crate::database::{Database, refuse_pooler, with_waiting_note};
use crate::output::GOOD;
use crate::render::adoption::adoption;
use crate::styled::text;
use crate::terminal::plain;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The other tool's table is read and not changed, except that refinery's is widened to 64 bits. Each row must match a \
                  file in the migrations folder; if the tool stores checksums, the text must match too.\n\n\
                  Exit status: 0 adopted or nothing to do; 1 with --dry-run, there is something to adopt; 2 could not run, or \
                  rows do not match.\n\n\
                        Examples:\n  cargo xtask adopt --dry-run\n  cargo xtask adopt --from sqlx --yes\n  \
                        cargo xtask adopt --from baseline --version V0012"
)]
pub struct Args {
    /// The tool that wrote the history [default: detected from the database's tables]
    #[arg(long, value_enum)]
    from: Option<Tool>,
    /// With --from baseline, mark everything up to this version as applied
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    version: Option<i64>,
    /// Adopt rows whose text differs or cannot be compared
    #[arg(long)]
    accept_unproven: bool,
    /// Show what would be adopted, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    // Before the first query: its prepared statements would remain in a pooled session.
    refuse_pooler(&connection, context).await?;
    let history_schema = context.global.history_schema.as_ref().or(set.settings().history_schema.as_ref());
    let tables = Tables::find(&connection, history_schema.map(String::as_str)).await?;
    let tool = match args.from {
        Some(tool) => tool,
        None => tables.tool()?,
    };
    if args.version.is_some() != (tool == Tool::Baseline) {
        bail!("--version and --from baseline must be given together");
    }
    let takeover =
        refit::pinned(&connection, async || read(tool, &connection, &tables, &set, args.version).await)
            .await?;
    let text = adoption(&takeover);
    if !takeover.unmatched.is_empty() {
        bail!(
            "{}\nnothing was changed: every row needs a file of the same version in the migrations folder",
            plain(&text)
        );
    }
    if takeover.rows.is_empty() || args.dry_run {
        context.out.result(&takeover, text)?;
        return Ok(if takeover.rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let unproven = takeover.rows.iter().filter(|row| row.proof == Proof::Differs).count();
    if unproven > 0 && !args.accept_unproven {
        bail!(
            "{}\nnothing was changed: {unproven} files differ from the applied text; restore them, or give --accept-unproven",
            plain(&text)
        );
    }
    if context.out.human() {
        context.out.print(text)?;
    }
    context.out.confirm(&format!("Write this history to {}?", database.address()), args.yes)?;
    let migrator = with_waiting_note(context.migrator(set), context.out);
    migrator.adopt(&connection, takeover.history(), &takeover.migrations()).await?;
    let plan = migrator.plan(&connection).await?;
    connection.close().await;
    let counts = format!(" {} migrations; {} pending", takeover.rows.len(), plan.pending.len());
    context.out.result(&takeover, text![GOOD.of("adopted"), counts])?;
    Ok(ExitCode::SUCCESS)
}
