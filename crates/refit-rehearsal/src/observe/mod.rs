//! Observes a session from within, before and after a statement: the differences are the effects of the statement.
//!
//! A statement that cannot run in a transaction holds its locks only while it runs: [`outside`] observes those.

mod locks;
mod outside;
mod reads;
mod relations;

use std::collections::BTreeSet;

use tokio_postgres::Client;

use crate::error::Error;
use crate::trace::{Build, Change, Existed, IndexWork, Lock, RelationKind, Scan, StatementTrace};

pub(crate) use locks::Locks;
pub(crate) use outside::LockWatcher;
pub(crate) use reads::Reads;
use reads::flushed;
pub(crate) use relations::{Relation, Relations};

/// The relations, locks and statistics of a session at one time.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub(crate) relations: Relations,
    pub(crate) locks: Locks,
    pub(crate) reads: Reads,
    /// Whether it was taken in a transaction.
    in_transaction: bool,
}

impl Observation {
    /// Observes the session within a transaction.
    pub(crate) async fn within(client: &Client) -> Result<Observation, Error> {
        let (relations, locks, reads) =
            tokio::try_join!(Relations::read(client), Locks::own(client), Reads::of_transaction(client))?;
        Ok(Observation { relations, locks, reads, in_transaction: true })
    }

    /// Observes the session between transactions: it holds no locks, and its statistics have been flushed.
    pub(crate) async fn between(client: &Client) -> Result<Observation, Error> {
        let reads = flushed(client).await?;
        Ok(Observation {
            relations: Relations::read(client).await?,
            locks: Locks::default(),
            reads,
            in_transaction: false,
        })
    }
}

/// Adds the differences between two observations to a trace. `begun_with` are the relations at the start of the migration.
pub(crate) async fn compare(
    client: &Client,
    [before, after]: [&Observation; 2],
    begun_with: &Relations,
    text: &str,
    trace: &mut StatementTrace,
) -> Result<(), Error> {
    let known = &before.relations;
    note_existed(known, begun_with, trace);
    merge(&mut trace.locks, after.locks.since(&before.locks).strongest(known));
    let held = after.locks.strongest(known);
    merge(&mut trace.held, held.into_iter().filter(|lock| is_table(lock.kind)).collect());
    let moved = moved(before, after);
    for oid in &rewritten(client, moved.clone(), text).await? {
        push_new(&mut trace.rewritten, known.name(*oid));
    }
    note_indexes(before, after, &moved, trace);
    note_reads(client, before, after, trace).await?;
    trace.rewritten.sort();
    leave_out_new(trace, begun_with);
    Ok(())
}

/// Removes objects that the migration created: no other session uses them.
fn leave_out_new(trace: &mut StatementTrace, begun_with: &Relations) {
    let names = begun_with.names();
    let was_there = |name: &String| names.contains(name.as_str());
    // A renamed table keeps its earlier name here, as long as it existed when the statement started.
    let renamed =
        |name: &String| trace.existed.iter().any(|existed| !existed.is_new && existed.table == *name);
    let counts = |name: &String| was_there(name) || renamed(name);
    trace.locks.retain(|lock| counts(&lock.object));
    trace.held.retain(|lock| counts(&lock.object));
    trace.rewritten.retain(counts);
    trace.scanned.retain(|scan| counts(&scan.table));
    trace.indexes.retain(|index| counts(&index.table));
}

fn is_table(kind: RelationKind) -> bool {
    matches!(kind, RelationKind::Table | RelationKind::MaterializedView)
}

fn note_existed(known: &Relations, begun_with: &Relations, trace: &mut StatementTrace) {
    trace.existed = known
        .tables()
        .map(|(oid, relation)| Existed {
            table: relation.name.clone(),
            above: known.above(oid),
            is_new: begun_with.get(oid).is_none(),
            is_partitioned: relation.relkind == 'p',
        })
        .collect();
}

/// Adds locks, keeping the strongest of each object.
pub(crate) fn merge(locks: &mut Vec<Lock>, more: Vec<Lock>) {
    for lock in more {
        match locks.iter_mut().find(|known| known.object == lock.object && known.kind == lock.kind) {
            Some(known) => known.mode = known.mode.max(lock.mode),
            None => locks.push(lock),
        }
    }
    locks.sort_by(|a, b| (a.kind, &a.object).cmp(&(b.kind, &b.object)));
}

fn push_new(names: &mut Vec<String>, name: Option<String>) {
    names.extend(name.filter(|name| !names.contains(name)));
}

/// Tables whose file has changed.
fn moved(before: &Observation, after: &Observation) -> BTreeSet<u32> {
    let moved = before.relations.tables().filter(|(oid, relation)| {
        after.relations.get(*oid).is_some_and(|now| now.filenode != relation.filenode)
    });
    moved.map(|(oid, _)| oid).collect()
}

/// Those of the tables that were rewritten: an emptied table also has a new file.
async fn rewritten(client: &Client, moved: BTreeSet<u32>, text: &str) -> Result<BTreeSet<u32>, Error> {
    if moved.is_empty() {
        return Ok(moved);
    }
    let words: Vec<String> =
        refit_model::significant_tokens(text).iter().map(|word| word.to_ascii_uppercase()).collect();
    let has = |word: &str| words.iter().any(|known| known == word);
    // The words may be in a function body, which is one token.
    let inside = text.to_ascii_uppercase();
    let empties = inside.contains("TRUNCATE") || has("NO") && has("DATA");
    if !empties {
        return Ok(moved);
    }
    let full = relations::with_rows(client, &moved).await?;
    Ok(moved.intersection(&full).copied().collect())
}

fn note_indexes(
    before: &Observation,
    after: &Observation,
    moved: &BTreeSet<u32>,
    trace: &mut StatementTrace,
) {
    let (known, now) = (&before.relations, &after.relations);
    let files: BTreeSet<u32> = known.indexes().map(|(_, index)| index.filenode).collect();
    let names: BTreeSet<&str> = known.indexes().map(|(_, index)| index.name.as_str()).collect();
    for (_, index) in now.indexes() {
        let Some(table) = index.table.filter(|table| !moved.contains(table)) else { continue };
        // ALTER TABLE may recreate an index on its existing file.
        let Some(table) = known.name(table).filter(|_| !files.contains(&index.filenode)) else { continue };
        let work = if names.contains(index.name.as_str()) { Build::Rebuilt } else { Build::Built };
        let index = IndexWork { index: index.name.clone(), table, work };
        if !trace.indexes.contains(&index) {
            trace.indexes.push(index);
        }
    }
    trace.indexes.sort();
}

async fn note_reads(
    client: &Client,
    before: &Observation,
    after: &Observation,
    trace: &mut StatementTrace,
) -> Result<(), Error> {
    for (oid, read) in after.reads.since(&before.reads) {
        let Some(table) = before.relations.name(oid) else { continue };
        if read.inserted + read.updated + read.deleted > 0 {
            note_change(&table, &read, &mut trace.changed);
        }
        if read.by_index > 0 {
            push_new(&mut trace.looked_up, Some(table.clone()));
        }
        if read.scans == 0 {
            continue;
        }
        let whole = match after.relations.get(oid) {
            Some(relation) => reads::is_whole(client, relation, &read, after.in_transaction).await?,
            None => true,
        };
        if whole {
            match trace.scanned.iter_mut().find(|scan| scan.table == table) {
                Some(scan) => scan.rows += read.rows,
                None => trace.scanned.push(Scan { table, rows: read.rows }),
            }
        }
    }
    trace.scanned.sort();
    trace.changed.sort();
    trace.counted = true;
    Ok(())
}

fn note_change(table: &str, read: &reads::Count, changed: &mut Vec<Change>) {
    let new = Change { table: table.to_owned(), inserted: 0, updated: 0, deleted: 0 };
    let at = changed.iter().position(|change| change.table == table).unwrap_or(changed.len());
    if at == changed.len() {
        changed.push(new);
    }
    changed[at].inserted += read.inserted;
    changed[at].updated += read.updated;
    changed[at].deleted += read.deleted;
}
