//! Replaces the rows of existing tables, in one transaction.

use tokio_postgres::types::{ToSql, Type};

use super::fit::Piece;
use super::{RestorePlan, Restored, keys, load};
use crate::digest::digest;
use crate::error::Error;
use crate::options::{Options, Progress};
use crate::session::{ServerFacts, Session};
use crate::tables::{Sequence, escaped};
use crate::tools;

/// How long to wait for the locks on the tables.
const LOCK_TIMEOUT: &str = "30s";

/// Replaces the rows. The tables, and those at the other end of their foreign keys, are locked until the end.
pub(super) async fn replace(plan: &RestorePlan, url: &str, options: &Options) -> Result<Restored, Error> {
    let version = plan.backup.dump.as_ref().map_or("0", |dump| dump.dump_version.as_str());
    let tool = tools::pg_restore(&options.folders, version).await?;
    let session = Session::open(url, &options.connect).await?;
    let facts = ServerFacts::read(&session).await?;
    let run = |sql: String| {
        let session = &session;
        async move { session.batch_execute(&sql).await.map_err(Error::database(sql)) }
    };
    let oids: Vec<u32> = plan.pieces.iter().map(|piece| piece.oid).collect();
    run(format!("BEGIN;SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")).await?;
    let known = keys::suspended(&session, &oids).await?;
    lock(&session, &plan.pieces, &known.others).await?;
    // Before the locks, another session may have changed what was read.
    refuse_replaced(&session, &plan.pieces).await?;
    let suspended = keys::suspended(&session, &oids).await?;
    if suspended.others != known.others {
        return Err(Error::Refused("foreign keys were changed meanwhile; restore again".to_owned()));
    }
    for sql in suspended.before {
        run(sql).await?;
    }
    for piece in &plan.pieces {
        run(format!("DELETE FROM ONLY {}", escaped(&piece.rows.schema, &piece.rows.name))).await?;
    }
    let mut tables = Vec::new();
    for piece in &plan.pieces {
        options.began(format!("loading {}", piece.rows.quoted()));
        load::load(&session, &tool.path, &plan.path, piece).await?;
        let comparable = piece.is_whole && facts.major == plan.backup.server_major;
        tables.push((piece.rows.quoted(), check(&session, piece, comparable).await?));
        options.report(&Progress::Table(piece.rows.quoted()));
    }
    options.began("checking foreign keys");
    run("SET CONSTRAINTS ALL IMMEDIATE".to_owned()).await?;
    for sql in suspended.after {
        run(sql).await.map_err(|error| unmatched_key(error, &plan.id))?;
    }
    let sequences = advance(&session, &plan.pieces).await?;
    run("COMMIT".to_owned()).await?;
    session.close().await;
    Ok(Restored { tables, sequences })
}

async fn lock(session: &Session, pieces: &[Piece], others: &[String]) -> Result<(), Error> {
    let mut names: Vec<String> =
        pieces.iter().map(|piece| escaped(&piece.rows.schema, &piece.rows.name)).collect();
    names.extend(others.iter().cloned());
    let sql = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
    session.batch_execute(&sql).await.map_err(Error::database("locking the tables"))
}

/// Refuses tables that were dropped and created again since the plan.
async fn refuse_replaced(session: &Session, pieces: &[Piece]) -> Result<(), Error> {
    for piece in pieces {
        let name = escaped(&piece.rows.schema, &piece.rows.name);
        let sql = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
        let row = session.query_typed_one(sql, &[(&name, Type::TEXT)]).await;
        let found: Option<u32> = row.map_err(Error::database("looking for the tables"))?.get(0);
        if found != Some(piece.oid) {
            return Err(Error::Refused(format!(
                "{name} was replaced by another table meanwhile; restore again"
            )));
        }
    }
    Ok(())
}

/// Fails unless a table has the rows of the backup; returns their number.
async fn check(session: &Session, piece: &Piece, comparable: bool) -> Result<i64, Error> {
    let found = digest(session, &piece.rows.schema, &piece.rows.name).await?;
    let differs = found.rows != piece.rows.rows || (comparable && found.sum != piece.rows.digest);
    match differs {
        false => Ok(found.rows),
        true => Err(Error::DoesNotFit(format!(
            "the restored rows of {} are not those of the backup ({} rows instead of {}); nothing was changed",
            piece.rows.quoted(),
            found.rows,
            piece.rows.rows
        ))),
    }
}

fn unmatched_key(error: Error, id: &str) -> Error {
    match &error {
        Error::Database { source, .. } if source.code().is_some_and(|code| code.code() == "23503") => {
            Error::DoesNotFit(format!(
                "rows of the backup and of other tables do not match; nothing was changed: {error}\nrestore both tables, if {id} holds \
                 them, or change the rows first"
            ))
        }
        _ => error,
    }
}

/// Moves sequences of the tables forward to the values that they had, so that no restored value is handed out again. They never
/// move back: values after those may be in use elsewhere. That is not undone by a rollback, so it comes last.
async fn advance(session: &Session, pieces: &[Piece]) -> Result<Vec<String>, Error> {
    let mut moved = Vec::new();
    for sequence in pieces.iter().flat_map(|piece| &piece.rows.sequences) {
        let Sequence { schema, name, last_value, is_called } = sequence;
        let quoted = escaped(schema, name);
        let failed = || Error::database(format!("setting the sequence {quoted}"));
        let sql =
            "SELECT seqincrement > 0 FROM pg_catalog.pg_sequence WHERE seqrelid = pg_catalog.to_regclass($1)";
        let rows = session.query_typed(sql, &[(&quoted, Type::TEXT)]).await.map_err(failed())?;
        let Some(ascends) = rows.first().map(|row| row.get::<_, bool>(0)) else { continue };
        let sql = format!("SELECT last_value, is_called FROM {quoted}");
        let row = session.query_typed_one(&sql, &[]).await.map_err(failed())?;
        let (now, now_called): (i64, bool) = (row.get(0), row.get(1));
        let is_behind = if ascends { now < *last_value } else { now > *last_value };
        if is_behind || (now == *last_value && *is_called && !now_called) {
            let sql = "SELECT pg_catalog.setval($1::pg_catalog.text::pg_catalog.regclass, $2, $3)";
            let parameters: [(&(dyn ToSql + Sync), Type); 3] =
                [(&quoted, Type::TEXT), (last_value, Type::INT8), (is_called, Type::BOOL)];
            session.query_typed_one(sql, &parameters).await.map_err(failed())?;
            moved.push(quoted);
        }
    }
    Ok(moved)
}
