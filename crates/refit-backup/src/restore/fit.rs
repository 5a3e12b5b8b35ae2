//! Whether the tables of a backup fit those of a database.

use tokio_postgres::types::Type;

use super::RestoreRequest;
use crate::error::Error;
use crate::kind::Kind;
use crate::metadata::{Backup, TableRows};
use crate::session::{ServerFacts, Session};
use crate::tables::Table;

/// The history of refinery, which says what the schema is, not what the rows are.
const HISTORY: &str = "refinery_schema_history";

/// The rows of a table, and where they go.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) rows: TableRows,
    pub(crate) oid: u32,
    /// The columns of the backup that the table has, by their index in the backup.
    pub(crate) columns: Vec<usize>,
    /// Whether backup and table have the same columns.
    pub(crate) is_whole: bool,
}

impl Piece {
    /// The names of the columns.
    pub(crate) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns
            .iter()
            .filter_map(|index| self.rows.columns.get(*index))
            .map(|column| column.name.as_str())
    }
}

pub(super) fn not_a_dump(backup: &Backup) -> String {
    match backup.kind {
        Kind::RestorePoint => format!(
            "{id} is a restore point: recover a base backup and the archived WAL with recovery_target_name = '{id}'; Refit does not \
             do that",
            id = backup.id
        ),
        _ => format!("{} was made by a program; restore it with that", backup.id),
    }
}

pub(super) fn of_another(backup: &Backup, facts: &ServerFacts) -> String {
    let (theirs, ours) = (&backup.identity, &facts.identity);
    format!(
        "{} is a backup of the database {} of the server {}, and this is {} of the server {}; to restore it here nevertheless, give \
         --other-database",
        backup.id,
        refit_model::visible_line(&theirs.database),
        theirs.system_identifier,
        refit_model::visible_line(&ours.database),
        ours.system_identifier
    )
}

/// The tables of the backup that are requested, without those of Refit and the history.
pub(super) fn selected(backup: &Backup, request: &RestoreRequest<'_>) -> Result<Vec<TableRows>, Error> {
    let tables = backup.dump.iter().flat_map(|dump| &dump.tables);
    let own = |table: &&TableRows| table.schema != request.state_schema && table.name != HISTORY;
    let tables: Vec<&TableRows> = tables.filter(own).collect();
    if request.tables.is_empty() {
        return Ok(tables.into_iter().cloned().collect());
    }
    let mut selected: Vec<TableRows> = Vec::new();
    for name in &request.tables {
        let is_named = |table: &&&TableRows| {
            let bare = refit_model::quoted_name(&table.name);
            table.quoted() == *name || bare == *name || table.name == *name
        };
        let found: Vec<&&TableRows> = tables.iter().filter(is_named).collect();
        match found.as_slice() {
            [one] if selected.iter().all(|known| known.quoted() != one.quoted()) => {
                selected.push((**one).clone())
            }
            [_] => {}
            [] => {
                let all: Vec<String> = tables.iter().map(|table| table.quoted()).collect();
                return Err(Error::Refused(format!(
                    "{} holds no rows of {name}; it holds {}",
                    backup.id,
                    all.join(", ")
                )));
            }
            several => {
                let all: Vec<String> = several.iter().map(|table| table.quoted()).collect();
                return Err(Error::Refused(format!("{name} is ambiguous: name one of {}", all.join(", "))));
            }
        }
    }
    Ok(selected)
}

/// Matches the tables of the backup with those of the database.
pub(super) async fn pieces(
    session: &Session,
    selected: &[TableRows],
    existing: &[Table],
    matching_columns: bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<Piece>, Error> {
    let find =
        |rows: &TableRows| existing.iter().find(|one| one.schema == rows.schema && one.name == rows.name);
    let missing: Vec<String> =
        selected.iter().filter(|rows| find(rows).is_none()).map(TableRows::quoted).collect();
    if !missing.is_empty() {
        return Err(Error::DoesNotFit(format!(
            "these tables of the backup do not exist here: {}; undo the migration that dropped or renamed them (cargo xtask \
             rollback), restore into an empty database (--into), or choose others (--tables)",
            missing.join(", ")
        )));
    }
    let (mut pieces, mut differences) = (Vec::new(), Vec::new());
    for rows in selected {
        let Some(table) = find(rows) else { continue };
        let different = different_columns(rows, table);
        let has = |name: &str| table.columns.iter().any(|column| column.name == name);
        let columns = rows.columns.iter().enumerate().filter(|(_, column)| has(&column.name));
        pieces.push(Piece {
            rows: rows.clone(),
            oid: table.oid,
            columns: columns.map(|(index, _)| index).collect(),
            is_whole: different.is_empty(),
        });
        differences.extend(different);
    }
    if !differences.is_empty() && !matching_columns {
        return Err(Error::DoesNotFit(format!(
            "the columns have changed since the backup:\n  {}\nundo the migration that changed them (cargo xtask rollback), or restore \
             the columns that both have (--matching-columns)",
            differences.join("\n  ")
        )));
    }
    warnings.extend(differences);
    refuse_rules(session, &pieces).await?;
    Ok(pieces)
}

fn different_columns(rows: &TableRows, table: &Table) -> Vec<String> {
    let mut different = Vec::new();
    for column in &rows.columns {
        match table.columns.iter().find(|now| now.name == column.name) {
            None => different.push(format!("{}: column {} is gone", rows.quoted(), column.name)),
            Some(now) if now.data_type != column.data_type => different.push(format!(
                "{}: column {} was {}, and is {}",
                rows.quoted(),
                column.name,
                column.data_type,
                now.data_type
            )),
            Some(_) => {}
        }
    }
    for now in &table.columns {
        if rows.columns.iter().all(|column| column.name != now.name) {
            different.push(format!("{}: column {} is new", rows.quoted(), now.name));
        }
    }
    different
}

/// Refuses tables with rules, which would rewrite the statements of a restore.
async fn refuse_rules(session: &Session, pieces: &[Piece]) -> Result<(), Error> {
    let oids: Vec<u32> = pieces.iter().map(|piece| piece.oid).collect();
    let sql = "SELECT pg_catalog.format('%I on %s', rulename, ev_class::pg_catalog.regclass) FROM pg_catalog.pg_rewrite \
               WHERE ev_class = ANY ($1) AND ev_enabled <> 'D'";
    let rows = session.query_typed(sql, &[(&oids, Type::OID_ARRAY)]).await;
    let rules: Vec<String> =
        rows.map_err(Error::database("reading the rules"))?.iter().map(|row| row.get(0)).collect();
    match rules.is_empty() {
        true => Ok(()),
        false => Err(Error::DoesNotFit(format!(
            "rules would rewrite the statements of a restore: {}; disable them first (ALTER TABLE … DISABLE RULE)",
            rules.join(", ")
        ))),
    }
}
