//! `cargo xtask repair`

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use refit::{Connection, Gate, HistoryChange, Migrator, Plan, Refusal};
use refit_model::{Migration, MigrationSet, Version, significant_tokens};
use serde::Serialize;
use similar::TextDiff;
use xshell::{Shell, cmd};

use crate::context::{Context, version_argument};
use crate::database::{Database, with_waiting_note};
use crate::output::{BAD, GOOD, WARN};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Only the history is changed, not the schema. The applied text is looked up in git.\n\n\
                  Exit status: 0 repaired or nothing to repair; 2 could not run or was not confirmed.\n\n\
                        Examples:\n  cargo xtask repair\n  cargo xtask repair --version V0012 --yes\n  \
                        cargo xtask repair --forget V0007\n  cargo xtask repair --statement-done V0012"
)]
pub struct Args {
    /// Accept only the edit of this migration [default: all edited ones]
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    version: Option<i64>,
    /// Remove a migration from the history whose file was deleted
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    forget: Vec<i64>,
    /// Mark a backfill without a recorded job as complete, so that steps that wait for it may run
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    backfill_complete: Vec<i64>,
    /// Run a backfill without a recorded job again
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    backfill_again: Vec<i64>,
    /// Mark the interrupted non-transactional statement of this step as complete; the next run resumes after it
    #[arg(long, value_name = "VERSION | R__NAME")]
    statement_done: Vec<String>,
    /// Allow that statement to run again; what it has already committed is kept
    #[arg(long, value_name = "VERSION | R__NAME")]
    statement_again: Vec<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// One change to the history.
#[derive(Debug, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
enum Repair {
    Accept {
        version: Version,
        path: String,
        name: String,
        applied: u64,
        found: u64,
        /// None if the applied text is not in git.
        statements_differ: Option<bool>,
        diff: String,
    },
    Rename {
        version: Version,
        path: String,
        from: String,
        to: String,
        applied: u64,
        found: u64,
    },
    Forget {
        version: Version,
        name: String,
    },
    BackfillComplete {
        version: Version,
        name: String,
    },
    BackfillAgain {
        version: Version,
        name: String,
    },
    StatementDone {
        step: String,
    },
    StatementAgain {
        step: String,
    },
}

impl Repair {
    fn version(&self) -> Option<Version> {
        match self {
            Repair::Accept { version, .. }
            | Repair::Rename { version, .. }
            | Repair::Forget { version, .. }
            | Repair::BackfillComplete { version, .. }
            | Repair::BackfillAgain { version, .. } => Some(*version),
            Repair::StatementDone { .. } | Repair::StatementAgain { .. } => None,
        }
    }
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let migrator = context.migrator(set.clone());
    let plan = migrator.plan(&connection).await?;
    let repairs = repairs(args, &plan, &set, &context.migrations_dir())?;
    let text = describe(&repairs, &plan);
    if repairs.is_empty() {
        context.out.result(&repairs, text)?;
        return Ok(ExitCode::SUCCESS);
    }
    if context.out.human() {
        context.out.print(&text)?;
    }
    let count = repairs.len();
    let question =
        format!("Change {count} {} in {}?", if count == 1 { "row" } else { "rows" }, database.address());
    context.out.confirm(&question, args.yes)?;
    write(&connection, &repairs, &with_waiting_note(migrator, context.out)).await?;
    connection.close().await;
    context.out.result(&repairs, format!("{GOOD}repaired{GOOD:#} {count} in {}", database.address()))?;
    Ok(ExitCode::SUCCESS)
}

fn repairs(args: &Args, plan: &Plan, set: &MigrationSet, folder: &Path) -> anyhow::Result<Vec<Repair>> {
    let mut repairs = Vec::new();
    for refusal in &plan.refusals {
        match refusal {
            Refusal::Changed { version, path, applied, found }
                if args.version.is_none_or(|requested| requested == *version) =>
            {
                let migration =
                    set.migration(*version).context("bug: the plan has a version that the set lacks")?;
                let old = applied_text(migration, *applied, folder);
                let statements_differ =
                    old.as_deref().map(|old| significant_tokens(old) != significant_tokens(&migration.sql));
                let diff = old.map_or(String::new(), |old| diff(&old, &migration.sql, path));
                repairs.push(Repair::Accept {
                    version: *version,
                    path: path.clone(),
                    name: migration.name.clone(),
                    applied: *applied,
                    found: *found,
                    statements_differ,
                    diff,
                });
            }
            Refusal::Renamed { version, path, name, applied, found }
                if args.version.is_none_or(|requested| requested == *version) =>
            {
                let migration =
                    set.migration(*version).context("bug: the plan has a version that the set lacks")?;
                repairs.push(Repair::Rename {
                    version: *version,
                    path: path.clone(),
                    from: name.clone(),
                    to: migration.name.clone(),
                    applied: *applied,
                    found: *found,
                });
            }
            Refusal::Missing { version, name } if args.forget.contains(version) => {
                repairs.push(Repair::Forget { version: *version, name: name.clone() });
            }
            _ => {}
        }
    }
    for held in &plan.held {
        let Gate::BackfillUnknown { version } = held.gate else { continue };
        let name = set.migration(version).map_or_else(String::new, |migration| migration.stem.clone());
        if args.backfill_complete.contains(&version) {
            repairs.push(Repair::BackfillComplete { version, name });
        } else if args.backfill_again.contains(&version) {
            repairs.push(Repair::BackfillAgain { version, name });
        }
    }
    repairs.extend(args.statement_done.iter().cloned().map(|step| Repair::StatementDone { step }));
    repairs.extend(args.statement_again.iter().cloned().map(|step| Repair::StatementAgain { step }));
    let done = |version: &Version| repairs.iter().any(|repair| repair.version() == Some(*version));
    let named =
        args.version.iter().chain(&args.forget).chain(&args.backfill_complete).chain(&args.backfill_again);
    for version in named {
        if !done(version) {
            bail!(
                "version {version} does not need this repair; `cargo xtask status` shows which versions do"
            );
        }
    }
    Ok(repairs)
}

/// Finds the text with the applied checksum in git.
fn applied_text(migration: &Migration, applied: u64, folder: &Path) -> Option<String> {
    let shell = Shell::new().ok()?;
    shell.change_dir(folder);
    let path = &migration.path;
    let commits =
        cmd!(shell, "git log --format=%H --follow -- {path}").quiet().ignore_stderr().read().ok()?;
    commits.lines().find_map(|commit| {
        let object = format!("{commit}:./{path}");
        let text = cmd!(shell, "git show {object}").quiet().ignore_stderr().output().ok()?.stdout;
        let text = refit_model::normalise(std::str::from_utf8(&text).ok()?).into_owned();
        let checksum = refinery_core::Migration::unapplied(&migration.stem, &text).ok()?.checksum();
        (checksum == applied).then_some(text)
    })
}

fn diff(old: &str, new: &str, path: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .header(&format!("applied/{path}"), &format!("now/{path}"))
        .to_string()
}

fn describe(repairs: &[Repair], plan: &Plan) -> String {
    let mut text = String::new();
    for repair in repairs {
        // Writing to a String cannot fail.
        let _ = match repair {
            Repair::Accept { path, applied, found, statements_differ, diff, .. } => {
                let verdict = match statements_differ {
                    Some(false) => format!("{GOOD}only comments and whitespace differ{GOOD:#}"),
                    Some(true) => {
                        format!(
                            "{BAD}statements differ{BAD:#}: the effects of the old ones remain in the database"
                        )
                    }
                    None => format!(
                        "{WARN}the applied text is not in git{WARN:#}: compare the schema manually before you accept"
                    ),
                };
                writeln!(text, "{path}: checksum {applied} becomes {found}\n  {verdict}\n{diff}")
            }
            Repair::Rename { version, path, from, .. } => {
                writeln!(
                    text,
                    "{path}: version {version} gets the file's name; it was {from}; the text is the same"
                )
            }
            Repair::Forget { version, name } => {
                writeln!(text, "version {version} ({name}) is removed from the history; its changes remain")
            }
            Repair::BackfillComplete { name, .. } => {
                writeln!(text, "the backfill {name} is marked complete; steps that wait for it may run")
            }
            Repair::BackfillAgain { name, .. } => {
                writeln!(text, "the backfill {name} is registered again; it may change rows a second time")
            }
            Repair::StatementDone { step } => {
                writeln!(
                    text,
                    "the interrupted statement of {step} is marked complete; the next run resumes after it"
                )
            }
            Repair::StatementAgain { step } => {
                writeln!(
                    text,
                    "the interrupted statement of {step} will run again; what it has already committed is kept"
                )
            }
        };
    }
    let missing = plan.refusals.iter().filter_map(|refusal| match refusal {
        Refusal::Missing { version, name } => {
            Some(format!("version {version} ({name}) has no file: --forget V{version}"))
        }
        Refusal::Renumbered { .. } => Some(refusal.to_string()),
        _ => None,
    });
    if repairs.is_empty() {
        text.push_str("nothing to repair");
        missing.for_each(|line| text.push_str(&format!("\n{line}")));
    }
    text
}

async fn write(connection: &Connection, repairs: &[Repair], migrator: &Migrator) -> anyhow::Result<()> {
    let changes: Vec<HistoryChange> = repairs.iter().map(Repair::change).collect();
    Ok(migrator.change_history(connection, &changes).await?)
}

impl Repair {
    fn change(&self) -> HistoryChange {
        match self {
            // The checksum includes the name, so both change to the file's.
            Repair::Accept { version, name, applied, found, .. }
            | Repair::Rename { version, to: name, applied, found, .. } => HistoryChange::Accept {
                version: *version,
                name: name.clone(),
                applied: *applied,
                found: *found,
            },
            Repair::Forget { version, .. } => HistoryChange::Forget { version: *version },
            Repair::BackfillComplete { version, .. } => HistoryChange::BackfillComplete { version: *version },
            Repair::BackfillAgain { version, .. } => HistoryChange::BackfillAgain { version: *version },
            Repair::StatementDone { step } => HistoryChange::StatementDone { step: step.clone() },
            Repair::StatementAgain { step } => HistoryChange::StatementAgain { step: step.clone() },
        }
    }
}
