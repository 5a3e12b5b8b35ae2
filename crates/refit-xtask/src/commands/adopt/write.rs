//! Writing an adopted history: all of it or nothing, under the migration lock.

use std::fmt::Write;

use postgres_protocol::escape::escape_literal;
use refit::Connection;

use super::source::{Adopted, Takeover};
use crate::context::Context;
use crate::database::change_history;

pub(super) async fn write(
    connection: &Connection,
    takeover: &Takeover,
    context: &Context,
) -> anyhow::Result<()> {
    let mut sql = format!("SET LOCAL client_min_messages = warning;{}", refit::history_ddl());
    if takeover.rewrite {
        sql.push_str("ALTER TABLE refinery_schema_history ALTER COLUMN version TYPE int8;");
    }
    let repeatable = takeover.rows.iter().any(|row| row.version.is_none());
    if repeatable {
        sql.push_str(&refit::state_ddl(connection).await?);
    }
    for row in &takeover.rows {
        statement(&mut sql, row, takeover.rewrite)?;
    }
    change_history(connection, context, &sql).await
}

fn statement(sql: &mut String, row: &Adopted, rewrite: bool) -> std::fmt::Result {
    let (name, applied_on) = (escape_literal(&row.name), escape_literal(&row.applied_on));
    let checksum = row.checksum;
    match row.version {
        Some(version) if rewrite => write!(
            sql,
            "UPDATE refinery_schema_history SET checksum = '{checksum}', name = {name} WHERE version = {version};"
        ),
        Some(version) => write!(
            sql,
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
             VALUES ({version}, {name}, {applied_on}, '{checksum}');"
        ),
        None => write!(
            sql,
            "INSERT INTO refit.repeatable (name, checksum, applied_at) VALUES ({name}, '{checksum}', {applied_on}::timestamptz);"
        ),
    }
}
