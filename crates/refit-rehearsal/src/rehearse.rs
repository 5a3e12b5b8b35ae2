//! The rehearsal: each migration as it will be applied, with traffic beside it.
//!
//! One that is a transaction is first run statement by statement, looked at and rolled back, and then as one message beside
//! the traffic: looking would make others wait for longer.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use refit_lint::LockMode;
use refit_model::split_statements;
use serde::Serialize;

use crate::error::Error;
use crate::execute::{Options, Session, version};
use crate::file::{File, in_order};
use crate::observe::Relations;
use crate::probe::{Probed, Probes};
use crate::rows::{self, Filled, Later, Tables};
use crate::server::Place;
use crate::session::failure;
use crate::stairway::{Stairway, walk};
use crate::trace::{Lock, RelationKind, StatementTrace, Wait, milliseconds};

/// Tables that are probed at most in a migration: each costs two sessions.
const TABLES: usize = 12;

/// How to rehearse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsalOptions {
    /// Rows that each table is given before the first rehearsed migration, and new ones before each further one; 0 for none.
    pub rows: u32,
    /// Whether each migration that has a down file goes up, down and up.
    pub stairway: bool,
}

/// What was seen.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rehearsal {
    /// The server's version, as in `15.18`.
    pub postgres: String,
    /// The tables that were filled with made-up rows.
    pub rows: Vec<Filled>,
    /// The migrations in the order in which they ran.
    pub steps: Vec<Step>,
}

/// One migration.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its file.
    pub path: String,
    /// Whether it ran in one transaction.
    pub transaction: bool,
    /// How long it took beside the traffic.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// Its statements, as far as they ran.
    pub statements: Vec<StatementTrace>,
    /// How long others waited, by table.
    pub waits: Vec<Wait>,
    /// Up, down, up; where that was asked for and there is a down file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stairway: Option<Stairway>,
}

impl Step {
    /// Whether a statement failed, or the way down does not lead back.
    pub fn is_wrong(&self) -> bool {
        self.statements.iter().any(|statement| statement.failure.is_some())
            || self.stairway.as_ref().is_some_and(|stairway| !stairway.is_fine())
    }
}

/// Rehearses the traced files, on what the others make. It ends with the first statement that fails; a stairway that
/// does not lead back is no reason to stop.
///
/// # Errors
/// [`Error`] when the server cannot be reached or asked; what the files' own statements say is in the rehearsal.
pub async fn rehearse(place: &Place, files: &[File], options: &RehearsalOptions) -> Result<Rehearsal, Error> {
    let url = place.url();
    let mut rehearsal = Rehearsal::default();
    let mut tables = Tables::default();
    if options.rows > 0 {
        tables.later = Later::of(&url, files).await?;
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
            true => walk(place, file, awaited).await?,
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
    let options = Options::default();
    let session = Session::open(&url, &options).await?;
    rehearsal.postgres = version(session.client()).await?;
    session.close().await;
    Ok(rehearsal)
}

/// Runs a file that only prepares; a step where it fails.
async fn untraced(url: &str, file: &File, awaited: bool) -> Result<Option<Step>, Error> {
    let options = Options::default();
    let mut session = Session::open(url, &options).await?;
    let began = Instant::now();
    let mut statements = session.file(file, awaited).await?;
    session.close().await;
    statements.retain(|statement| statement.failure.is_some());
    Ok((!statements.is_empty()).then(|| made(file, began.elapsed(), statements, Vec::new())))
}

fn made(file: &File, duration: Duration, statements: Vec<StatementTrace>, waits: Vec<Wait>) -> Step {
    let transaction = file.directives.transaction && file.directives.backfill.is_none();
    Step { path: file.path.clone(), transaction, duration, statements, waits, stairway: None }
}

async fn step(url: &str, file: &File, awaited: bool) -> Result<Step, Error> {
    let is_transaction = file.directives.transaction && file.directives.backfill.is_none();
    let options = Options { commit: !is_transaction, ..Options::default() };
    let mut session = Session::open(url, &options).await?;
    let relations = Relations::read(session.client()).await?;
    if !is_transaction {
        let named: BTreeSet<u32> =
            split_statements(&file.text).iter().flat_map(|one| relations.named_in(one.text)).collect();
        let probed = probed(&relations, |oid, _| named.contains(&oid));
        let probes = Probes::start(url, &probed).await?;
        let began = Instant::now();
        let statements = session.file(file, awaited).await?;
        let duration = began.elapsed();
        let waits = waits(probes.end().await?, &statements);
        session.close().await;
        // Looking takes time of its own.
        let duration = duration.min(statements.iter().map(|statement| statement.duration).sum());
        return Ok(made(file, duration, statements, waits));
    }
    let mut statements = session.file(file, awaited).await?;
    if statements.iter().any(|statement| statement.failure.is_some()) {
        let duration = statements.iter().map(|statement| statement.duration).sum();
        session.close().await;
        return Ok(made(file, duration, statements, Vec::new()));
    }
    let locked: BTreeSet<&str> = statements
        .iter()
        .flat_map(|statement| &statement.locks)
        .filter(|lock| lock.kind == RelationKind::Table && lock.mode > LockMode::AccessShare)
        .map(|lock| lock.object.as_str())
        .collect();
    let probes = Probes::start(url, &probed(&relations, |_, name| locked.contains(name))).await?;
    let began = Instant::now();
    let result = session.client().batch_execute(&format!("BEGIN;{}\n;COMMIT", file.text)).await;
    let duration = began.elapsed();
    let waited = probes.end().await?;
    if let (Err(error), Some(last)) = (result, statements.last_mut()) {
        // It went well when it was rolled back: the commit itself is refused.
        let all = split_statements(&file.text);
        last.failure = all.last().map(|statement| failure(&error, statement, &file.text));
    }
    session.close().await;
    let waits = waits(waited, &statements);
    Ok(made(file, duration, statements, waits))
}

fn probed(relations: &Relations, is_meant: impl Fn(u32, &str) -> bool) -> Vec<Probed> {
    let tables = relations
        .tables()
        .filter(|(oid, relation)| relation.kind() == RelationKind::Table && is_meant(*oid, &relation.name));
    let probed = |(_, relation): (u32, &crate::observe::Relation)| Probed {
        table: relation.name.clone(),
        quoted: relation.quoted.clone(),
    };
    tables.map(probed).take(TABLES).collect()
}

/// Each table's waits, with the statement that first took the strongest lock on it.
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
