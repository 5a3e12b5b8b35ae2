//! A database as SQL: its definitions, and its rows if they are asked for, and what its tables contain.

use std::path::PathBuf;
use std::process::Stdio;

use refit::{ConnectOptions, Target};
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

use crate::digest::digest;
use crate::error::Error;
use crate::session::{ServerFacts, Session};
use crate::tables;
use crate::{program, tools};

/// A table that has rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableContent {
    /// Its name, qualified and quoted.
    pub table: String,
    /// How many rows it has.
    pub rows: i64,
    /// The sum of the server's hashes of all rows.
    pub digest: String,
}

/// The tables with rows, by name, without those of a schema.
///
/// # Errors
/// If the database cannot be reached, or a table cannot be read.
pub async fn table_contents(
    url: &str,
    options: &ConnectOptions,
    excluded: &str,
) -> Result<Vec<TableContent>, Error> {
    let session = Session::open(url, options).await?;
    let mut contents = Vec::new();
    for table in tables::all(&session).await?.iter().filter(|table| table.schema != excluded) {
        let found = digest(&session, &table.schema, &table.name).await?;
        if found.rows > 0 {
            contents.push(TableContent { table: table.quoted(), rows: found.rows, digest: found.sum });
        }
    }
    session.close().await;
    Ok(contents)
}

/// The definitions of a database, without those of a schema, and without owners; `with_rows` adds INSERT statements. `pg_dump`
/// writes it: the lowest version in the folders that is not older than the server.
///
/// # Errors
/// [`Error::NoProgram`] if there is no such `pg_dump`, [`Error::Program`] if it fails.
pub async fn definitions(
    url: &str,
    options: &ConnectOptions,
    folders: &[PathBuf],
    excluded: &str,
    with_rows: bool,
) -> Result<String, Error> {
    let session = Session::open(url, options).await?;
    let facts = ServerFacts::read(&session).await?;
    session.close().await;
    let found = tools::find(folders, "pg_dump", facts.major, "the server").await;
    let tool = tools::chosen(&found, "pg_dump", facts.major, folders)?;
    let target = Target::parse(url)?;
    let mut command = program::client(&tool.path, &target);
    command
        .args(["--format=plain", "--encoding=UTF8", "--no-owner", "--no-subscriptions"])
        .arg(if with_rows { "--inserts" } else { "--schema-only" })
        .arg(format!("--exclude-schema={}", postgres_protocol::escape::escape_identifier(excluded)))
        .stdout(Stdio::piped());
    let mut child = program::spawn(&mut command, &tool.path)?;
    let stdout = child.stdout.take();
    let read = async {
        let mut text = String::new();
        if let Some(mut stdout) = stdout {
            stdout.read_to_string(&mut text).await.map_err(Error::file("read from", &tool.path))?;
        }
        Ok(text)
    };
    let (text, ()) = tokio::try_join!(read, program::wait(child, &tool.path))?;
    Ok(text)
}
