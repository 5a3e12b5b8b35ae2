//! Watches backfills from a process that does not work on them.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use refit_model::Version;

use super::live::{Lines, TICK, unreachable};
use super::poller::{ObservedJob, StatusPoller};
use crate::context::Context;
use crate::output::QUIET;
use crate::render::backfill_status::{StatusDocument, status};
use crate::styled::{Text, text};
use crate::terminal;

/// Shows the backfills, or that of a version, until none can continue. Returns their last status.
///
/// # Errors
/// When the output cannot be written.
pub(crate) async fn watch(
    version: Option<Version>,
    first: Vec<ObservedJob>,
    mut poller: StatusPoller,
    context: &Context,
) -> anyhow::Result<Vec<ObservedJob>> {
    let terminal = context.out.human() && std::io::stdout().is_terminal();
    let screen = terminal.then(screen);
    let mut lines = Lines::of_others();
    let mut all = first;
    let mut disconnected = false;
    loop {
        match &screen {
            Some(screen) => screen.set_message(on_screen(status(&all, None))),
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
                context.out.print(status(&all, None))?;
            }
            return Ok(all);
        }
        tokio::time::sleep(TICK).await;
        match poller.poll().await {
            Ok(seen) => {
                all = seen;
                all.retain(|seen| version.is_none_or(|version| seen.status.version == version));
                disconnected = false;
            }
            Err(error) => {
                let note = unreachable(&error);
                match &screen {
                    Some(screen) => screen.set_message(on_screen(text![status(&all, None), "\n", note])),
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

fn on_screen(text: Text) -> String {
    let note = QUIET.of("updated every second; Ctrl-C stops watching, not the backfills");
    let text = text![text, "\n", note];
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => terminal::plain(&text),
        _ => terminal::render(&text),
    }
}
