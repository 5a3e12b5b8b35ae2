//! `cargo xtask backfill status`

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use refit::{Connection, HeldStep};
use refit_model::Version;
use serde::Serialize;

use crate::backfills::{Lines, Named, ObservedJob, StatusPoller, TICK, blocks, not_applied, observe};
use crate::context::{Context, version_argument};
use crate::database::Database;
use crate::output::{self, QUIET, WARN};
use crate::terminal;

#[derive(Debug, clap::Args)]
#[command(after_help = "If there is a migrations folder, pending and held steps are shown as well.\n\n\
                  --watch ends when all backfills are complete or none can continue. On a terminal it redraws every second; elsewhere \
                  it prints a line when the state changes and every few seconds; with --format json, one document per line.\n\n\
                  Exit status: 0 all complete; 1 a backfill is unfinished, failed or pending; 2 could not run.\n\n\
                  Examples:\n  cargo xtask backfill status\n  cargo xtask backfill status V0004 --watch\n  \
                  cargo xtask backfill status --format json | jq '.backfills[] | {name, state, progress, throttle}'")]
pub(super) struct Args {
    /// The version of its migration [default: all]
    #[arg(value_name = "VERSION", value_parser = version_argument)]
    version: Option<Version>,
    /// Keep showing the status until all are complete
    #[arg(long)]
    watch: bool,
}

/// The JSON document.
#[derive(Serialize)]
struct StatusDocument<'a> {
    backfills: &'a [ObservedJob],
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<&'a [Named]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'a [HeldStep]>,
}

/// The pending and held steps of the migrations folder.
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
    let mut all = observe(&connection, &migrator, retention).await?;
    connection.close().await;
    all.retain(|seen| is_selected(args, seen));
    let pending = waiting.as_ref().map(|waiting| waiting.pending.as_slice());
    if let (Some(version), true, true) =
        (args.version, all.is_empty(), pending.unwrap_or_default().is_empty())
    {
        bail!("version {version} has no backfill in this database");
    }
    if args.watch {
        let all = watch(args, &all, StatusPoller::new(database.url(), migrator, retention), context).await?;
        let ok = all.iter().all(ObservedJob::is_complete) && pending.unwrap_or_default().is_empty();
        return Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let text = format!("{}\n{}", database.address(), text(&all, waiting.as_ref()));
    let held = waiting.as_ref().map(|waiting| waiting.held.as_slice());
    context.out.result(&StatusDocument { backfills: &all, pending, held }, text)?;
    let ok = all.iter().all(ObservedJob::is_complete) && pending.unwrap_or_default().is_empty();
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn is_selected(args: &Args, seen: &ObservedJob) -> bool {
    args.version.is_none_or(|version| seen.status.version == version)
}

/// The waiting steps, and how long journals are kept. None if no folder is named and the default one does not exist.
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
            format!("{WARN}{:<10}{WARN:#}  {name}  its migration is not applied", "pending")
        }));
        let held = held.iter().filter(|step| pending.iter().all(|named| Some(named.version) != step.version));
        lines.extend(held.map(|step| format!("{WARN}{:<10}{WARN:#}  {}  {}", "held", step.stem, step.gate)));
    }
    if lines.is_empty() {
        return "no backfills are registered in this database".to_owned();
    }
    lines.join("\n")
}

/// Shows the backfills until none can continue. Returns their last status.
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
    let mut disconnected = false;
    loop {
        match &screen {
            Some(screen) => screen.set_message(on_screen(&text(&all, None))),
            None if context.out.human() => {
                for line in lines.changes(&all) {
                    context.out.print(line)?;
                }
            }
            None => context.out.document(&serde_json::to_string(&StatusDocument {
                backfills: &all,
                pending: None,
                held: None,
            })?)?,
        }
        let can_continue = |seen: &ObservedJob| seen.is_runnable() || seen.status.is_paused();
        if !all.iter().any(can_continue) {
            if let Some(screen) = screen {
                screen.finish_and_clear();
                context.out.print(text(&all, None))?;
            }
            return Ok(all);
        }
        tokio::time::sleep(TICK).await;
        match poller.poll().await {
            Ok(seen) => {
                all = seen;
                all.retain(|seen| is_selected(args, seen));
                disconnected = false;
            }
            Err(error) => {
                let note = format!("{WARN}cannot reach the server{WARN:#}: {}", output::error_text(&error));
                match &screen {
                    Some(screen) => screen.set_message(on_screen(&format!("{}\n{note}", text(&all, None)))),
                    None if !disconnected => context.out.note(note),
                    None => {}
                }
                disconnected = true;
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
    let text =
        format!("{text}\n{QUIET}updated every second; Ctrl-C stops watching, not the backfills{QUIET:#}");
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => terminal::plain(&text),
        _ => terminal::render(&text),
    }
}
