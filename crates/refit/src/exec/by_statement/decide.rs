//! Decisions of an operator about a statement that was begun and may not be sent again.

use refit_model::{MigrationFile, MigrationSet, split_statements};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::begun::place;
use super::progress::{checksum_of, counted};
use crate::error::Error;
use crate::error::Refusal;
use crate::plan::PlannedStep;
use crate::queries::Queries;
use crate::state::State;
use crate::state::UndecidedStep;

/// The steps with a statement that was begun and may not be sent again, without those of down files.
pub(crate) async fn undecided(client: &Client, state: &State) -> Result<Vec<UndecidedStep>, Error> {
    let sql = "SELECT begun.version, begun.name, begun.statement_begun FROM refit.step AS begun \
               JOIN refit.run ON run.id = begun.run_id AND run.history_id = $1 \
               WHERE begun.kind IN ('versioned', 'repeatable') AND begun.outcome <> 'succeeded' \
                 AND begun.statement_begun IS NOT NULL AND begun.leftovers IS NULL \
                 AND NOT EXISTS (SELECT FROM refit.step AS later \
                     JOIN refit.run AS later_run ON later_run.id = later.run_id AND later_run.history_id = $1 \
                     WHERE later.id > begun.id AND later.kind = begun.kind AND later.name = begun.name \
                       AND later.version IS NOT DISTINCT FROM begun.version AND later.outcome = 'succeeded')";
    let rows = client.query_boxed(&state.sql(sql), &[(&state.history(), Type::INT8)]).await;
    let rows = rows.map_err(Error::database("reading which statements were begun"))?;
    let step = |row: &tokio_postgres::Row| UndecidedStep {
        version: row.get(0),
        name: row.get(1),
        statement: usize::try_from(row.get::<_, i32>(2)).unwrap_or(0),
    };
    Ok(rows.iter().map(step).collect())
}

/// The refusals of a plan with such steps.
pub(crate) fn refusals(
    set: &MigrationSet,
    undecided: &[UndecidedStep],
    pending: &[PlannedStep],
) -> Vec<Refusal> {
    let refusal = |planned: &PlannedStep| {
        let MigrationFile { name, sql, .. } = set.step(planned.version, &planned.stem)?.file();
        let found = undecided.iter().find(|step| step.version == planned.version && step.name == *name)?;
        let (statement, position) = place(&split_statements(sql), found.statement, sql);
        let step = planned.version.map_or_else(|| planned.stem.clone(), |version| format!("V{version}"));
        Some(Refusal::StatementBegun { path: planned.path.clone(), position, statement, step })
    };
    pending.iter().filter_map(refusal).collect()
}

/// A step's texts, by the kind that `refit.step` records.
struct Texts<'a> {
    kinds: &'static [&'static str],
    version: Option<i64>,
    name: String,
    of: Vec<(&'static str, &'a str)>,
}

/// Finds the step that `V12` or `R__name` names.
fn texts<'a>(set: &'a MigrationSet, step: &str) -> Option<Texts<'a>> {
    if let Some(repeatable) = set.repeatable(step) {
        let of = vec![("repeatable", &*repeatable.sql)];
        return Some(Texts { kinds: &["repeatable"], version: None, name: repeatable.name.clone(), of });
    }
    let migration = set.migration(refit_model::version_of(step)?)?;
    let mut of = vec![("versioned", &*migration.sql)];
    of.extend(migration.down.iter().map(|down| ("undo", &*down.text)));
    let (version, name) = (Some(migration.version), migration.name.clone());
    Some(Texts { kinds: &["versioned", "undo"], version, name, of })
}

/// Records that the statement of a step that was begun is complete, or that it may be sent again.
///
/// # Errors
/// [`Error::Target`] if no statement of it needs a decision, and [`Error::EditedWhileHalfDone`].
pub(crate) async fn decide(
    client: &Client,
    state: &State,
    set: &MigrationSet,
    step: &str,
    complete: bool,
) -> Result<(), Error> {
    let nothing = || Error::Target(format!("no statement of {step} needs a decision"));
    let texts = texts(set, step).ok_or_else(nothing)?;
    let kinds: Vec<&str> = texts.kinds.to_vec();
    let sql = "SELECT id, kind, coalesce(statement_begun, 0), coalesce(statements_done, 0), \
                      coalesce(statements_checksum, '') \
               FROM refit.step AS begun \
               WHERE kind = ANY ($1) AND version IS NOT DISTINCT FROM $2 AND name = $3 AND outcome <> 'succeeded' \
                 AND run_id IN (SELECT id FROM refit.run WHERE history_id = $4) \
                 AND statement_begun IS NOT NULL AND leftovers IS NULL \
                 AND NOT EXISTS (SELECT FROM refit.step AS later WHERE later.id > begun.id AND later.kind = begun.kind \
                     AND later.version IS NOT DISTINCT FROM begun.version AND later.name = begun.name \
                     AND run_id IN (SELECT id FROM refit.run WHERE history_id = $4) AND later.outcome = 'succeeded') \
               ORDER BY id DESC LIMIT 1 FOR UPDATE";
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&kinds, Type::TEXT_ARRAY),
        (&texts.version, Type::INT8),
        (&texts.name, Type::TEXT),
        (&state.history(), Type::INT8),
    ];
    let rows = client.query_boxed(&state.sql(sql), &parameters).await;
    let rows = rows.map_err(Error::database("reading which statement was begun"))?;
    let row = rows.first().ok_or_else(nothing)?;
    let (id, kind): (i64, String) = (row.get(0), row.get(1));
    let [begun, done] = [2, 3].map(|column| usize::try_from(row.get::<_, i32>(column)).unwrap_or(0));
    let sql = texts.of.iter().find(|(of, _)| *of == kind).map_or("", |(_, sql)| sql);
    let statements = split_statements(sql);
    if complete {
        let edited = checksum_of(&statements, done) != row.get::<_, String>(4);
        if edited || counted(&statements).count() < begun {
            return Err(Error::EditedWhileHalfDone { path: step.to_owned(), done });
        }
    }
    let (done, checksum) = match complete {
        true => (begun, checksum_of(&statements, begun)),
        false => (done, row.get(4)),
    };
    let done = i32::try_from(done).unwrap_or(i32::MAX);
    // The next run resumes from the newest attempt; a failed attempt to resume has no record of its own.
    let sql = "UPDATE refit.step SET statement_begun = NULL, leftovers = NULL, statements_done = $2, \
                      statements_checksum = $3 WHERE id = $1";
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&id, Type::INT8), (&done, Type::INT4), (&checksum, Type::TEXT)];
    let decided = client.execute_boxed(&state.sql(sql), &parameters).await;
    decided.map(drop).map_err(Error::database("recording the decision"))
}
