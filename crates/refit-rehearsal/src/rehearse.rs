//! The rehearsal: each migration runs as Refit applies it, with concurrent traffic.
//!
//! A transactional migration first runs statement by statement, is observed and rolled back, and then runs as one message
//! beside the traffic: observing would prolong the waits.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use refit::{CheckResult, Connection, Verdict};
use refit_lint::LockMode;
use refit_model::{When, split_statements};
use serde::Serialize;

use crate::error::Error;
use crate::execute::{Options, Session, version};
use crate::file::{File, in_order};
use crate::observe::Relations;
use crate::probe::{Probed, Probes};
use crate::rows::{self, Filled, LaterKeys, Tables};
use crate::server::RehearsalServer;
use crate::session::runner;
use crate::stairway::{Stairway, walk};
use crate::trace::{Lock, RelationKind, StatementTrace, Wait, milliseconds};

/// Maximum number of tables to probe per migration: each costs two sessions.
const TABLES: usize = 12;

/// Options of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsalOptions {
    /// Number of rows to generate per table before the first rehearsed migration, and per new table before each later one;
    /// 0 for none.
    pub rows: u32,
    /// Whether to run each migration that has a down file up, down and up again.
    pub stairway: bool,
}

/// The result of a rehearsal.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rehearsal {
    /// The server's version, as in `15.18`.
    pub postgres: String,
    /// The tables that were filled with generated rows.
    pub rows: Vec<Filled>,
    /// The migrations in the order of execution.
    pub steps: Vec<RehearsalStep>,
}

/// The result of one migration.
#[derive(Debug, Clone, Serialize)]
pub struct RehearsalStep {
    /// Its file.
    pub path: String,
    /// Whether it ran in one transaction.
    pub transaction: bool,
    /// How long it took with concurrent traffic.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// The statements that ran.
    pub statements: Vec<StatementTrace>,
    /// How long other sessions waited, by table.
    pub waits: Vec<Wait>,
    /// What its checks found: those that run beforehand, and those that run afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    /// The outcome of up, down, up; if requested and there is a down file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stairway: Option<Stairway>,
}

impl RehearsalStep {
    /// Whether a statement or a check failed, or the down file does not restore the schema.
    pub fn has_failed(&self) -> bool {
        self.statements.iter().any(|statement| statement.failure.is_some())
            || self.checks.iter().any(|check| check.verdict == Verdict::Failed)
            || self.stairway.as_ref().is_some_and(|stairway| !stairway.is_ok())
    }
}

/// Rehearses the traced files; the others only run. Stops at the first statement that fails, but not at a down file
/// that does not restore the schema.
///
/// # Errors
/// [`Error`] when connecting to the server or querying it fails; failures of the files' statements are in the result.
pub async fn rehearse(
    server: &RehearsalServer,
    files: &[File],
    options: &RehearsalOptions,
) -> Result<Rehearsal, Error> {
    let url = server.url();
    let mut rehearsal = Rehearsal::default();
    let mut tables = Tables::default();
    if options.rows > 0 {
        tables.later = LaterKeys::of(&url, files).await?;
    }
    for (file, awaited) in in_order(files) {
        if !file.traced {
            if let Some(step) = untraced(&url, file, awaited).await? {
                rehearsal.steps.push(step);
                break;
            }
            continue;
        }
        if options.rows > 0 {
            rehearsal.rows.extend(rows::fill(&url, options.rows, &mut tables).await?);
        }
        let stairway = match options.stairway {
            true => walk(server, file, awaited).await?,
            false => None,
        };
        let mut step = step(&url, file, awaited).await?;
        step.stairway = stairway;
        let failed = step.statements.iter().any(|statement| statement.failure.is_some());
        rehearsal.steps.push(step);
        if failed {
            break;
        }
    }
    let runner = runner(&url).await?;
    rehearsal.postgres = version(&runner).await?;
    runner.close().await;
    Ok(rehearsal)
}

/// Runs a file that is not traced. Returns a step only if it fails.
async fn untraced(url: &str, file: &File, awaited: bool) -> Result<Option<RehearsalStep>, Error> {
    let options = Options::default();
    let runner = runner(url).await?;
    let session = Session::begin(url, &runner, &options).await?;
    let began = Instant::now();
    let mut statements = session.file(file, awaited).await?;
    session.end().await;
    runner.close().await;
    statements.retain(|statement| statement.failure.is_some());
    Ok((!statements.is_empty()).then(|| new_step(file, began.elapsed(), statements, Vec::new())))
}

fn new_step(
    file: &File,
    duration: Duration,
    statements: Vec<StatementTrace>,
    waits: Vec<Wait>,
) -> RehearsalStep {
    let transaction = file.directives.transaction && file.directives.backfill.is_none();
    RehearsalStep {
        path: file.path.clone(),
        transaction,
        duration,
        statements,
        waits,
        checks: Vec::new(),
        stairway: None,
    }
}

async fn step(url: &str, file: &File, awaited: bool) -> Result<RehearsalStep, Error> {
    let is_transaction = file.directives.transaction && file.directives.backfill.is_none();
    let options = Options { commit: !is_transaction, ..Options::default() };
    let runner = runner(url).await?;
    let session = Session::begin(url, &runner, &options).await?;
    let mut checks = session.checks(file, When::Before).await?;
    checks.iter_mut().for_each(judge_beforehand);
    let step = match is_transaction {
        true => transaction_step(url, &session, &runner, file).await,
        false => step_by_statement(url, &session, &runner, file, awaited).await,
    };
    if step.as_ref().is_ok_and(|step| step.statements.iter().all(|statement| statement.failure.is_none())) {
        checks.extend(session.checks(file, When::After).await?);
    }
    session.end().await;
    runner.close().await;
    step.map(|step| RehearsalStep { checks, ..step })
}

/// What has to hold before a migration is about the rows of a real database: on generated rows such a check only has to run.
fn judge_beforehand(check: &mut CheckResult) {
    if check.error.is_none() && check.verdict == Verdict::Failed {
        check.verdict = Verdict::Warned;
    }
}

/// A file without a transaction, or a backfill: observed and probed in one run.
async fn step_by_statement(
    url: &str,
    session: &Session<'_>,
    runner: &Connection,
    file: &File,
    awaited: bool,
) -> Result<RehearsalStep, Error> {
    let relations = Relations::read(runner).await?;
    let named: BTreeSet<u32> =
        split_statements(&file.text).iter().flat_map(|one| relations.named_in(one.text)).collect();
    let probes = Probes::start(url, &probed(&relations, |oid, _| named.contains(&oid))).await?;
    let began = Instant::now();
    let statements = session.file(file, awaited).await?;
    let duration = began.elapsed();
    let waits = waits(probes.end().await?, &statements);
    // The elapsed time includes the observations; the statements' own times do not.
    let duration = duration.min(statements.iter().map(|statement| statement.duration).sum());
    Ok(new_step(file, duration, statements, waits))
}

/// A file that is one transaction: observed first, and rolled back, then probed.
async fn transaction_step(
    url: &str,
    session: &Session<'_>,
    runner: &Connection,
    file: &File,
) -> Result<RehearsalStep, Error> {
    let relations = Relations::read(runner).await?;
    let mut statements = session.file(file, false).await?;
    if statements.iter().any(|statement| statement.failure.is_some()) {
        let duration = statements.iter().map(|statement| statement.duration).sum();
        return Ok(new_step(file, duration, statements, Vec::new()));
    }
    let locked: BTreeSet<&str> = statements
        .iter()
        .flat_map(|statement| &statement.locks)
        .filter(|lock| lock.kind == RelationKind::Table && lock.mode > LockMode::AccessShare)
        .map(|lock| lock.object.as_str())
        .collect();
    let probes = Probes::start(url, &probed(&relations, |_, name| locked.contains(name))).await?;
    let began = Instant::now();
    let failure = session.unobserved(file).await?;
    let duration = began.elapsed();
    let waited = probes.end().await?;
    if let (Some(failure), Some(last)) = (failure, statements.last_mut()) {
        // All statements succeeded before the rollback, so the commit failed.
        last.failure = Some(failure);
    }
    let waits = waits(waited, &statements);
    Ok(new_step(file, duration, statements, waits))
}

fn probed(relations: &Relations, is_selected: impl Fn(u32, &str) -> bool) -> Vec<Probed> {
    let tables = relations.tables().filter(|(oid, relation)| {
        relation.kind() == RelationKind::Table && is_selected(*oid, &relation.name)
    });
    let probed = |(_, relation): (u32, &crate::observe::Relation)| Probed {
        table: relation.name.clone(),
        quoted: relation.quoted.clone(),
    };
    tables.map(probed).take(TABLES).collect()
}

/// The waits for each table, with the statement that first took the strongest lock on it.
fn waits(waited: Vec<(String, Duration, Duration)>, statements: &[StatementTrace]) -> Vec<Wait> {
    let wait = |(table, reader, writer): (String, Duration, Duration)| {
        let lock = |lock: &&Lock| lock.kind == RelationKind::Table && lock.object == table;
        let strongest = statements.iter().flat_map(|one| &one.locks).filter(lock).map(|lock| lock.mode).max();
        let first = statements
            .iter()
            .find(|one| one.locks.iter().filter(lock).any(|lock| Some(lock.mode) == strongest));
        let statement = first.map_or(1, |one| one.statement);
        strongest.map(|_| Wait { table, statement, reader, writer })
    };
    waited.into_iter().filter_map(wait).collect()
}
