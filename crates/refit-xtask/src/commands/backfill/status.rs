//! `cargo xtask backfill status`

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use refit::{Connection, HeldStep};
use refit_model::Version;
use serde::Serialize;

use crate::backfills::{Lines, Named, ObservedJob, StatusPoller, TICK, blocks, look, not_applied};
use crate::context::{Context, version_argument};
use crate::database::Database;
use crate::output::{self, QUIET, WAITS};
use crate::terminal;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The migrations folder is looked at for what is pending and held back; without one, the database alone is.\n\n\
                  --watch ends when all are complete, or none goes on by itself. On a terminal it draws anew every second, elsewhere it \
                  writes a line where something changes and every few seconds; with --format json, a document a line.\n\n\
                  Exit status: 0 all complete, 1 one is unfinished, has failed or is pending, 2 could not run.\n\n\
                  Examples:\n  cargo xtask backfill status\n  cargo xtask backfill status V0004 --watch\n  \
                  cargo xtask backfill status --format json | jq '.backfills[] | {name, state, progress, throttle}'"
)]
pub(super) struct Args {
    /// The version of its migration [default: all]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
    /// Go on showing it until it is complete
    #[arg(long)]
    watch: bool,
}

/// What machines are told.
#[derive(Serialize)]
struct Told<'a> {
    backfills: &'a [ObservedJob],
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<&'a [Named]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'a [HeldStep]>,
}

/// What the folder has that waits; none without a folder.
#[derive(Default)]
struct Waiting {
    pending: Vec<Named>,
    held: Vec<HeldStep>,
}

pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let (waiting, retention) = waiting(args, context, &connection).await?.unzip();
    let migrator = context.operator()?;
    let mut all = look(&connection, &migrator, retention).await?;
    connection.close().await;
    all.retain(|seen| is_meant(args, seen));
    let pending = waiting.as_ref().map(|waiting| waiting.pending.as_slice());
    if let (Some(version), true, true) =
        (args.version, all.is_empty(), pending.unwrap_or_default().is_empty())
    {
        bail!("version {version} has no backfill in this database");
    }
    if args.watch {
        let all = watch(args, &all, StatusPoller::new(database.url(), migrator, retention), context).await?;
        let fine = all.iter().all(ObservedJob::is_complete) && pending.unwrap_or_default().is_empty();
        return Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let text = format!("{}\n{}", database.address(), text(&all, waiting.as_ref()));
    let held = waiting.as_ref().map(|waiting| waiting.held.as_slice());
    context.out.result(&Told { backfills: &all, pending, held }, text)?;
    let fine = all.iter().all(ObservedJob::is_complete) && pending.unwrap_or_default().is_empty();
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn is_meant(args: &Args, seen: &ObservedJob) -> bool {
    args.version.is_none_or(|version| seen.status.version == version)
}

/// What waits, and how long journals are kept. An operator may have no folder at hand; one that is named has to be right.
async fn waiting(
    args: &Args,
    context: &Context,
    connection: &Connection,
) -> anyhow::Result<Option<(Waiting, Duration)>> {
    if context.global.migrations.is_none() && !context.migrations_dir().exists() {
        return Ok(None);
    }
    let set = context.set()?;
    let plan = context.migrator(set.clone()).plan(connection).await?;
    let mut pending = not_applied(&plan, &set);
    pending.retain(|named| args.version.is_none_or(|version| named.version == version));
    Ok(Some((Waiting { pending, held: plan.held }, set.settings().undo_retention)))
}

fn text(all: &[ObservedJob], waiting: Option<&Waiting>) -> String {
    let mut lines = Vec::new();
    if !all.is_empty() {
        lines.push(blocks(all));
    }
    if let Some(Waiting { pending, held }) = waiting {
        lines.extend(pending.iter().map(|Named { name, .. }| {
            format!("{WAITS}{:<10}{WAITS:#}  {name}  its migration is not applied", "pending")
        }));
        let held = held.iter().filter(|step| pending.iter().all(|named| Some(named.version) != step.version));
        lines
            .extend(held.map(|step| format!("{WAITS}{:<10}{WAITS:#}  {}  {}", "held", step.stem, step.gate)));
    }
    if lines.is_empty() {
        return "no backfill was ever registered in this database".to_owned();
    }
    lines.join("\n")
}

/// Shows them until none of them goes on by itself; answers how they stand then.
async fn watch(
    args: &Args,
    first: &[ObservedJob],
    mut poller: StatusPoller,
    context: &Context,
) -> anyhow::Result<Vec<ObservedJob>> {
    let terminal = context.out.human() && std::io::stdout().is_terminal();
    let screen = terminal.then(screen);
    let mut lines = Lines::of_others();
    let mut all = first.to_vec();
    let mut away = false;
    loop {
        match &screen {
            Some(screen) => screen.set_message(on_screen(&text(&all, None))),
            None if context.out.human() => {
                for line in lines.news(&all) {
                    context.out.print(line)?;
                }
            }
            None => context.out.document(&serde_json::to_string(&Told {
                backfills: &all,
                pending: None,
                held: None,
            })?)?,
        }
        let goes_on = |seen: &ObservedJob| seen.is_runnable() || seen.status.is_paused();
        if !all.iter().any(goes_on) {
            if let Some(screen) = screen {
                screen.finish_and_clear();
                context.out.print(text(&all, None))?;
            }
            return Ok(all);
        }
        tokio::time::sleep(TICK).await;
        match poller.look().await {
            Ok(seen) => {
                all = seen;
                all.retain(|seen| is_meant(args, seen));
                away = false;
            }
            Err(error) => {
                let told = format!("{WAITS}the server does not answer{WAITS:#}: {}", output::told(&error));
                match &screen {
                    Some(screen) => screen.set_message(on_screen(&format!("{}\n{told}", text(&all, None)))),
                    None if !away => context.out.note(told),
                    None => {}
                }
                away = true;
            }
        }
    }
}

fn screen() -> ProgressBar {
    let screen = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        screen.set_style(style);
    }
    screen
}

fn on_screen(text: &str) -> String {
    let text = format!("{text}\n{QUIET}every second; Ctrl-C ends the watching, not the work{QUIET:#}");
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => terminal::plain(&text),
        _ => terminal::render(&text),
    }
}
