//! What the commands on backups share: where backups are kept, what they are made with, and how their progress is shown.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use refit::{Migrator, State};
use refit_backup::{BackupHook, Kind, Options, Progress, size};
use refit_devdb::{Binaries, Search, ServerOptions};
use refit_model::{Backup, MigrationSet};

use crate::context::Context;
use crate::database::{Database, connect_options};
use crate::output::Output;

/// Where backups are kept, and what they are made with.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Location {
    /// The folder of the backups [default: `backups` of this workspace]
    #[arg(long, value_name = "DIR", env = "REFIT_BACKUP_DIR")]
    backup_dir: Option<PathBuf>,
    /// Search only this folder for pg_dump and pg_restore; may be repeated [default: PATH and the usual folders]
    #[arg(long, value_name = "DIR")]
    pg_bin: Vec<PathBuf>,
}

impl Location {
    pub(crate) fn options(&self, context: &Context) -> Options {
        let folder = self.backup_dir.clone().unwrap_or_else(|| context.workspace.join("backups"));
        let mut options = Options::new(folder);
        options.folders = match self.pg_bin.is_empty() {
            true => Binaries::program_folders(&Search::from_env()),
            false => self.pg_bin.clone(),
        };
        options.connect = connect_options();
        options.server = ServerOptions::from_env();
        options.interrupt = context.interrupt.clone();
        with_progress(options, context.out)
    }
}

/// The backup before a run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunBackup {
    /// Make a backup before the first step: restore-point, tables, full or command [default: as refit.toml says]
    #[arg(long, value_name = "KIND", value_parser = kind_argument)]
    backup: Option<Kind>,
    /// The program of kind command; its output is the ID of the backup
    #[arg(long, value_name = "PROGRAM", env = "REFIT_BACKUP_COMMAND")]
    backup_command: Option<String>,
    #[command(flatten)]
    location: Location,
}

impl RunBackup {
    /// Where backups are.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The migrator, with a hook that makes the backup that is requested, or that the environment requires.
    ///
    /// # Errors
    /// When another kind is requested than the environment requires. A full backup is more than any other.
    pub(crate) fn attach(
        &self,
        migrator: Migrator,
        set: &MigrationSet,
        database: &Database,
        context: &Context,
    ) -> anyhow::Result<Migrator> {
        let environment = &context.global.environment;
        let required = required(set, database, context);
        let kind = match (self.backup, required) {
            (Some(kind), Some(required)) if kind != required && kind != Kind::Full => {
                bail!(
                    "the environment {environment} requires a backup of kind {required}; give --backup {required} or full"
                )
            }
            (requested, required) => requested.or(required),
        };
        let Some(kind) = kind else { return Ok(migrator) };
        let mut options = self.location.options(context);
        options.command = self.backup_command.iter().cloned().collect();
        Ok(migrator.hook(BackupHook::new(database.url(), kind, Arc::new(set.clone()), options)))
    }
}

/// The kind of backup that the environment requires before a run.
pub(crate) fn required(set: &MigrationSet, database: &Database, context: &Context) -> Option<Kind> {
    let profile = set.settings().environment.get(&context.global.environment);
    profile.filter(|_| !database.is_disposable()).and_then(|profile| kind_of(profile.backup))
}

fn kind_of(backup: Backup) -> Option<Kind> {
    match backup {
        Backup::None => None,
        Backup::RestorePoint => Some(Kind::RestorePoint),
        Backup::Tables => Some(Kind::Tables),
        Backup::Full => Some(Kind::Full),
        Backup::Command => Some(Kind::Command),
    }
}

/// Parses a kind of backup.
pub(crate) fn kind_argument(text: &str) -> Result<Kind, String> {
    text.parse()
}

/// The records of the history of a database; empty if Refit has applied nothing there.
pub(crate) async fn state(context: &Context, database: &Database) -> anyhow::Result<State> {
    let connection = database.connect().await?;
    let state = context.operator()?.state(&connection).await?;
    connection.close().await;
    Ok(state)
}

/// The names of tables in an option: separated by commas, which may be within double quotes.
pub(crate) fn tables_of(values: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for value in values {
        let (mut name, mut is_quoted) = (String::new(), false);
        for character in value.chars() {
            match character {
                ',' if !is_quoted => names.push(std::mem::take(&mut name)),
                '"' => {
                    is_quoted = !is_quoted;
                    name.push('"');
                }
                other => name.push(other),
            }
        }
        names.push(name);
    }
    names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Shows the progress on standard error: a line that changes on a terminal, else a line for each part of the work.
fn with_progress(options: Options, out: Output) -> Options {
    if !out.human() {
        return options;
    }
    if !std::io::stderr().is_terminal() {
        return options.observe(move |progress| {
            if let Progress::Began(what) = progress {
                out.note(what);
            }
        });
    }
    let bar = Arc::new(bar());
    options.observe(move |progress| {
        let message = match progress {
            Progress::Began(what) => what.clone(),
            Progress::Written { bytes, estimate } => {
                format!("{} written, of tables with {}", size(*bytes), size(*estimate))
            }
            Progress::Table(table) => format!("{table} is done"),
            _ => return,
        };
        bar.set_message(crate::terminal::plain(&message.into()));
    })
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[cfg(test)]
mod tests {
    use super::tables_of;

    #[test]
    fn commas_within_quotes_belong_to_a_name() {
        let names = tables_of(&["a, b.c".to_owned(), "\"x,y\".\"z\"\"\"".to_owned(), String::new()]);
        assert_eq!(names, ["a", "b.c", "\"x,y\".\"z\"\"\""]);
    }
}
