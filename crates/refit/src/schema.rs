//! The tables that Refit needs, as SQL for tools that write a history without applying anything.

use refinery_core::AsyncMigrate;
use tokio_postgres::Client;

use crate::error::Error;
use crate::history::HISTORY_TABLE;
use crate::session::Session;
use crate::state::{self, Needs};

/// SQL that creates refinery's history table where it does not exist, with a semicolon at the end.
pub fn history_ddl() -> String {
    Session::assert_migrations_table_query(HISTORY_TABLE)
}

/// SQL that brings schema `refit` to this release, with a semicolon at the end; empty when it is.
///
/// # Errors
/// When the database cannot be read.
pub async fn state_ddl(client: &Client) -> Result<String, Error> {
    let comment = state::comment(client).await?;
    Ok(state::upgrade(comment.as_deref(), Needs::Runs).unwrap_or_default())
}
