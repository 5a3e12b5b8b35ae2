//! Foreign keys and triggers that a restore takes away, and SQL that brings them back.

use tokio_postgres::types::Type;

use crate::error::Error;
use crate::session::Session;

/// SQL for the beginning of a restore, and for its end.
#[derive(Debug, Default)]
pub(super) struct Suspended {
    /// Other tables that must be locked too: those at the other end of a foreign key.
    pub(super) others: Vec<String>,
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
}

/// Foreign keys of the tables, in both directions: dropped, so that no action of theirs changes other rows and no order of tables is
/// needed, and added again, which checks every row. A key of a partition is that of its parent.
const KEYS: &str = "WITH RECURSIVE found (oid, parent) AS ( \
        SELECT oid, conparentid FROM pg_catalog.pg_constraint WHERE contype = 'f' \
            AND (conrelid = ANY ($1) OR confrelid = ANY ($1)) \
        UNION SELECT c.oid, conparentid FROM found JOIN pg_catalog.pg_constraint c ON c.oid = found.parent) \
    SELECT pg_catalog.quote_ident(conname), conrelid::pg_catalog.regclass::pg_catalog.text, \
        pg_catalog.pg_get_constraintdef(c.oid), pg_catalog.obj_description(c.oid, 'pg_constraint'), \
        confrelid::pg_catalog.regclass::pg_catalog.text \
    FROM pg_catalog.pg_constraint c WHERE conparentid = 0 AND c.oid IN (SELECT oid FROM found) ORDER BY 2, 1";

/// Triggers of users that are not disabled.
const TRIGGERS: &str = "SELECT pg_catalog.quote_ident(tgname), tgrelid::pg_catalog.regclass::pg_catalog.text, \
        tgenabled::pg_catalog.text \
    FROM pg_catalog.pg_trigger WHERE tgrelid = ANY ($1) AND NOT tgisinternal AND tgenabled <> 'D' ORDER BY 2, 1";

/// Reads what is to be suspended.
pub(super) async fn suspended(session: &Session, tables: &[u32]) -> Result<Suspended, Error> {
    let mut found = Suspended::default();
    let failed = || Error::database("reading foreign keys and triggers");
    for row in session.query_typed(KEYS, &[(&tables, Type::OID_ARRAY)]).await.map_err(failed())? {
        let (name, table, definition): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        found.others.extend([table.to_owned(), row.get(4)]);
        found.before.push(format!("ALTER TABLE {table} DROP CONSTRAINT {name}"));
        found.after.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"));
        if let Some(comment) = row.get::<_, Option<&str>>(3) {
            let comment = postgres_protocol::escape::escape_literal(comment);
            found.after.push(format!("COMMENT ON CONSTRAINT {name} ON {table} IS {comment}"));
        }
    }
    for row in session.query_typed(TRIGGERS, &[(&tables, Type::OID_ARRAY)]).await.map_err(failed())? {
        let (name, table, enabled): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        found.before.push(format!("ALTER TABLE {table} DISABLE TRIGGER {name}"));
        let enable = match enabled {
            "R" => "ENABLE REPLICA",
            "A" => "ENABLE ALWAYS",
            _ => "ENABLE",
        };
        found.after.push(format!("ALTER TABLE {table} {enable} TRIGGER {name}"));
    }
    found.others.sort();
    found.others.dedup();
    Ok(found)
}
