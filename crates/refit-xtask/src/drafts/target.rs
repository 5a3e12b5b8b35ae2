//! The schema that a draft leads to.

use std::path::Path;

use anyhow::{Context as _, bail};
use refit::Connection;
use refit_catalog::{Catalog, ReadOptions};
use refit_model::{Position, quoted_name};
use refit_rehearsal::RehearsalServer;

use super::connect;
use crate::context::Context;
use crate::schema;

/// The database in which the SQL of a file runs.
const DECLARED: &str = "declared";

/// Reads the schema of a database, or runs a file of SQL in a new one and reads that.
///
/// # Errors
/// When there is neither, or the SQL does not run.
pub(super) async fn read(
    from: &str,
    server: &RehearsalServer,
    read: &ReadOptions,
    context: &Context,
) -> anyhow::Result<Catalog> {
    if from.starts_with("postgres://") || from.starts_with("postgresql://") {
        let side = schema::read(from, read, context).await?;
        return side.catalog.context("a database has a schema");
    }
    if !Path::new(from).is_file() {
        let from = refit_model::redact::text(from);
        bail!("`{from}` is neither the URL of a database nor a file of SQL that declares a schema");
    }
    let bytes = std::fs::read(from).with_context(|| format!("cannot read {from}"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{from} is not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}').to_owned();
    if refit_model::split_statements(&text).is_empty() {
        bail!("{from} declares nothing: write the statements of the schema to reach");
    }
    let client = connect(&server.create_database(DECLARED).await?).await?;
    if let Err(error) = client.batch_execute(&text).await {
        let Some(refused) = error.as_db_error() else {
            bail!("{from} cannot run as one text: leave out COPY FROM STDIN and psql commands ({error})");
        };
        let place = match refused.position() {
            Some(tokio_postgres::error::ErrorPosition::Original(character)) => {
                let offset = text.char_indices().nth((*character as usize).saturating_sub(1));
                let Position { line, column } = Position::of(&text, offset.map_or(0, |(offset, _)| offset));
                format!("{from}:{line}:{column}")
            }
            _ => from.to_owned(),
        };
        bail!(
            "{place}: {}\n  the file runs as one text on an empty private database: without psql commands, and with all that it needs",
            refused.message()
        );
    }
    let catalog = Catalog::read(&client, read).await?;
    client.close().await;
    Ok(catalog)
}

/// Creates the roles that a schema names, which the private server lacks.
///
/// # Errors
/// When the connection is lost.
pub(super) async fn create_roles(client: &Connection, catalog: &Catalog) -> anyhow::Result<()> {
    for role in refit_drafts::roles(catalog) {
        let found = client
            .query("SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1", &[&role])
            .await?;
        if found.is_empty() {
            client.batch_execute(&format!("CREATE ROLE {}", quoted_name(&role))).await?;
        }
    }
    Ok(())
}
