//! `cargo xtask adopt`: each tool whose history can be adopted has a file.

mod baseline;
mod diesel;
mod flyway;
mod refinery;
mod source;
mod sqlx;
mod write;

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use refit_model::Version;

use self::source::{Adopted, Proof, Tables, Takeover};
use crate::context::{Context, version_argument};
use crate::database::{Database, refuse_pooler, with_waiting_note};
use crate::output::{BAD, GOOD, WARN};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Tool {
    Refinery,
    Sqlx,
    Diesel,
    Flyway,
    Baseline,
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
    let takeover = refit::pinned(&connection, async || match tool {
        Tool::Refinery => refinery::read(&connection, &tables, &set).await,
        Tool::Sqlx => sqlx::read(&connection, &tables, &set).await,
        Tool::Diesel => diesel::read(&connection, &tables, &set).await,
        Tool::Flyway => flyway::read(&connection, &tables, &set).await,
        Tool::Baseline => {
            baseline::read(&connection, &tables, &set, args.version.unwrap_or(Version::MIN)).await
        }
    })
    .await?;
    let text = describe(&takeover);
    if !takeover.unmatched.is_empty() {
        bail!(
            "{text}\nnothing was changed: every row needs a file of the same version in the migrations folder"
        );
    }
    if takeover.rows.is_empty() || args.dry_run {
        context.out.result(&takeover, text)?;
        return Ok(if takeover.rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let unproven = takeover.rows.iter().filter(|row| row.proof == Proof::Differs).count();
    if unproven > 0 && !args.accept_unproven {
        bail!(
            "{text}\nnothing was changed: {unproven} files differ from the applied text; restore them, or give --accept-unproven"
        );
    }
    if context.out.human() {
        context.out.print(&text)?;
    }
    context.out.confirm(&format!("Write this history to {}?", database.address()), args.yes)?;
    let migrator = with_waiting_note(context.migrator(set), context.out);
    write::write(&connection, &takeover, &migrator).await?;
    let plan = migrator.plan(&connection).await?;
    connection.close().await;
    let after =
        format!("{GOOD}adopted{GOOD:#} {} migrations; {} pending", takeover.rows.len(), plan.pending.len());
    context.out.result(&takeover, after)?;
    Ok(ExitCode::SUCCESS)
}

fn describe(takeover: &Takeover) -> String {
    let mut text = format!("history of {}", takeover.tool);
    // Writing to a String cannot fail.
    for Adopted { stem, proof, .. } in &takeover.rows {
        let _ = match proof {
            Proof::SameText => write!(text, "\n  {GOOD}same text{GOOD:#}  {stem}"),
            Proof::NoChecksum => write!(text, "\n  {WARN}no checksum{WARN:#}  {stem}"),
            Proof::Differs => write!(text, "\n  {BAD}differs{BAD:#}  {stem}"),
        };
    }
    for row in &takeover.unmatched {
        let _ = write!(text, "\n  {BAD}no match{BAD:#}  {row}");
    }
    if takeover.rows.is_empty() && takeover.unmatched.is_empty() {
        text.push_str(": nothing to adopt");
    }
    text
}
