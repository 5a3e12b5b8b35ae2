//! Loads the rows of one table: from `pg_restore`, which writes them as COPY does, into COPY on our own session.

use std::path::Path;
use std::pin::pin;
use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use futures_util::SinkExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::fit::Piece;
use crate::error::Error;
use crate::program;
use crate::session::Session;
use crate::tables::escaped;

/// How much is sent at once.
const PART: usize = 64 * 1024;

/// Loads the rows of a piece into its table, which is empty; returns their number.
pub(super) async fn load(
    session: &Session,
    pg_restore: &Path,
    file: &Path,
    piece: &Piece,
) -> Result<u64, Error> {
    let mut command = program::command(pg_restore);
    command
        .args(["--data-only", "--file=-"])
        .arg(format!("--schema={}", piece.rows.schema))
        .arg(format!("--table={}", piece.rows.name))
        .arg(file)
        .stdout(Stdio::piped());
    let mut child = program::spawn(&mut command, pg_restore)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let Some(stdout) = stdout else { return Err(Error::Refused("pg_restore has no output".to_owned())) };
    let copied = async {
        let copied = copy(session, stdout, piece).await?;
        Ok::<_, Error>(copied)
    };
    let (copied, stderr) = tokio::join!(copied, program::read_end(stderr));
    let status = child.wait().await.map_err(Error::file("wait for", pg_restore))?;
    let copied = copied?;
    program::checked(status, pg_restore, &stderr)?;
    Ok(copied)
}

async fn copy(session: &Session, output: impl AsyncRead + Unpin, piece: &Piece) -> Result<u64, Error> {
    let name = piece.rows.quoted();
    let failed = || Error::database(format!("loading the rows of {name}"));
    let read = |error| Error::file("read the output of pg_restore for", Path::new(&name))(error);
    let mut lines = BufReader::with_capacity(PART, output);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await.map_err(read)? == 0 {
            return Err(Error::DoesNotFit(format!("the file has no rows of {name}")));
        }
        if line.starts_with(b"COPY ") {
            break;
        }
    }
    let escape = postgres_protocol::escape::escape_identifier;
    let columns: Vec<String> = piece.column_names().map(escape).collect();
    let table = escaped(&piece.rows.schema, &piece.rows.name);
    let sql = match columns.is_empty() {
        true => format!("COPY {table} FROM STDIN"),
        false => format!("COPY {table} ({}) FROM STDIN", columns.join(", ")),
    };
    let mut sink = pin!(session.copy_in::<_, Bytes>(&sql).await.map_err(failed())?);
    let mut part = BytesMut::with_capacity(2 * PART);
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await.map_err(read)? == 0 {
            return Err(Error::DoesNotFit(format!("the rows of {name} end too early")));
        }
        if line == b"\\.\n" {
            break;
        }
        append(&mut part, &line, piece)?;
        if part.len() >= PART {
            sink.send(part.split().freeze()).await.map_err(failed())?;
        }
    }
    sink.send(part.freeze()).await.map_err(failed())?;
    let rows = sink.finish().await.map_err(failed())?;
    // pg_restore must not fail because nothing reads the rest.
    tokio::io::copy(&mut lines, &mut tokio::io::sink()).await.map_err(read)?;
    Ok(rows)
}

/// Appends a row with the columns of the piece. Tabs separate values, and are escaped within them.
fn append(part: &mut BytesMut, line: &[u8], piece: &Piece) -> Result<(), Error> {
    if piece.columns.len() == piece.rows.columns.len() {
        part.extend_from_slice(line);
        return Ok(());
    }
    let values: Vec<&[u8]> = line.strip_suffix(b"\n").unwrap_or(line).split(|byte| *byte == b'\t').collect();
    if values.len() != piece.rows.columns.len() {
        return Err(Error::DoesNotFit(format!(
            "a row of {} has {} values instead of {}",
            piece.rows.quoted(),
            values.len(),
            piece.rows.columns.len()
        )));
    }
    for (number, index) in piece.columns.iter().enumerate() {
        if number > 0 {
            part.extend_from_slice(b"\t");
        }
        part.extend_from_slice(values.get(*index).copied().unwrap_or_default());
    }
    part.extend_from_slice(b"\n");
    Ok(())
}
