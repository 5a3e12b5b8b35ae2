//! Runs files as Refit does, and watches what the server does to the tables that were there before.
//!
//! A file that is one transaction is sent as one message; what it holds is read before it ends. Statements outside a
//! transaction keep their locks only while they run: a second session stands in their way until a third has seen what they wait
//! for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use refit::Connection;
use refit_lint::LockMode;
use refit_model::{BackfillDirective, Directives, FileKind, StatementKind, front_matter, split_statements};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use super::runs;

/// What a server was seen to do. Tables are named as in the search path.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The tables that were there before.
    pub(super) tables: BTreeSet<String>,
    /// The strongest lock on each.
    pub(super) locks: BTreeMap<String, LockMode>,
    /// Tables that are in new files, and not empty.
    pub(super) rewritten: BTreeSet<String>,
    /// Tables of which most rows were read in sequence.
    pub(super) scanned: BTreeSet<String>,
    /// Whether something ran outside a transaction, or ended it: locks may have come and gone unseen, except on the table
    /// that was watched, and what was read is not all counted yet.
    pub(super) partial: bool,
    /// SQLSTATE and message of what failed; nothing runs after that.
    pub(super) error: Option<(String, String)>,
}

/// Whether all that runs is one file in one transaction, so that it can be undone.
pub(super) fn is_one_transaction(files: &[(String, String)]) -> bool {
    let mut files = files.iter().filter(|(path, _)| runs(path));
    let (Some((path, text)), None) = (files.next(), files.next()) else { return false };
    let (directives, ..) = front_matter(path, text);
    directives.transaction && directives.backfill.is_none() && !ends_transaction(text)
}

fn ends_transaction(text: &str) -> bool {
    split_statements(text).iter().any(|statement| statement.kind == StatementKind::TransactionControl)
}

/// Runs the files in order. `watched` is the table whose locks are waited for outside a transaction; with `undo`, nothing
/// is committed.
pub(super) async fn run(
    url: &str,
    files: &[(String, String)],
    watched: Option<&str>,
    undo: bool,
) -> Observed {
    let options = refit::ConnectOptions::default();
    let watcher = refit::connect(url, &options).await.unwrap();
    let mut observed = Observed::default();
    for step in in_order(files) {
        observed.partial |= !step.directives.transaction || ends_transaction(step.text);
        let result = file(url, &watcher, &step, watched, undo, &mut observed).await;
        if let Err(error) = result {
            observed.error = Some(described(&error));
            break;
        }
    }
    watcher.close().await;
    observed
}

/// One file that runs.
struct Step<'a> {
    version: Option<i64>,
    directives: Directives,
    text: &'a str,
    /// Whether a later one waits until it is complete.
    awaited: bool,
}

/// The files that run, in the order they do: a backfill is at work beside the boot, and complete only when a later migration
/// waits for it.
fn in_order(files: &[(String, String)]) -> Vec<Step<'_>> {
    let (mut order, mut at_work): (Vec<Step<'_>>, Vec<Step<'_>>) = (Vec::new(), Vec::new());
    for (path, text) in files.iter().filter(|(path, _)| runs(path)) {
        let (directives, ..) = front_matter(path, text);
        let version = match FileKind::of(path) {
            Ok(FileKind::Migration { version, .. }) => Some(version),
            _ => None,
        };
        let awaited =
            |step: &mut Step<'_>| step.version.is_some_and(|version| directives.after.contains(&version));
        order.extend(at_work.extract_if(.., awaited).map(|step| Step { awaited: true, ..step }));
        let is_backfill = directives.backfill.is_some();
        let step = Step { version, directives, text, awaited: false };
        if is_backfill { &mut at_work } else { &mut order }.push(step);
    }
    order.extend(at_work);
    order
}

async fn file(
    url: &str,
    watcher: &Connection,
    step: &Step<'_>,
    watched: Option<&str>,
    undo: bool,
    observed: &mut Observed,
) -> Result<(), tokio_postgres::Error> {
    let runner = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
    // Workers would count what they read by themselves.
    let alone = "SET max_parallel_workers_per_gather = 0; SET max_parallel_maintenance_workers = 0; \
                 SET lock_timeout = '10s'";
    runner.batch_execute(alone).await.unwrap();
    let before = Tables::read(watcher).await;
    observed.tables.extend(before.0.values().map(|table| table.name.clone()));
    match &step.directives {
        Directives { backfill: Some(backfill), .. } => {
            let bounds = bounds(watcher, backfill, step.awaited).await?;
            batches(&runner, &bounds, step.text, &before, observed).await
        }
        Directives { transaction: true, .. } => {
            let end = if undo { "ROLLBACK" } else { "COMMIT" };
            transaction(&runner, step.text, end, &before, observed).await
        }
        _ => outside(url, runner, watcher, step.text, watched, &before, observed).await,
    }
}

fn described(error: &tokio_postgres::Error) -> (String, String) {
    let server = error.as_db_error();
    let code = server.map(|error| error.code().code().to_owned());
    (code.unwrap_or_default(), server.map_or(error.to_string(), |error| error.message().to_owned()))
}

/// Tables by OID.
struct Tables(BTreeMap<u32, Table>);

struct Table {
    name: String,
    filenode: Option<u32>,
    rows: i64,
    read: i64,
}

impl Tables {
    async fn read(client: &Connection) -> Tables {
        let sql =
            "SELECT c.oid, CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname, \
                   pg_relation_filenode(c.oid), c.reltuples::bigint, coalesce(s.seq_tup_read, 0)
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                   LEFT JOIN pg_catalog.pg_stat_user_tables s ON s.relid = c.oid
                   WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^(pg_|information_schema$)'";
        let rows = client.query(sql, &[]).await.unwrap();
        let table = |row: tokio_postgres::Row| {
            let (name, filenode) = (row.get(1), row.get(2));
            (row.get(0), Table { name, filenode, rows: row.get(3), read: row.get(4) })
        };
        Tables(rows.into_iter().map(table).collect())
    }

    fn name(&self, oid: u32) -> Option<&str> {
        self.0.get(&oid).map(|table| table.name.as_str())
    }
}

/// Runs a text in a transaction, as one message.
async fn transaction(
    runner: &Connection,
    text: &str,
    end: &str,
    before: &Tables,
    observed: &mut Observed,
) -> Result<(), tokio_postgres::Error> {
    runner.batch_execute(&format!("BEGIN;{text}\n;SET CONSTRAINTS ALL IMMEDIATE")).await?;
    look(runner, before, observed).await;
    runner.batch_execute(end).await
}

/// Runs a backfill's text in two batches.
async fn batches(
    runner: &Connection,
    bounds: &[Vec<Text>; 3],
    text: &str,
    before: &Tables,
    observed: &mut Observed,
) -> Result<(), tokio_postgres::Error> {
    for pair in bounds.windows(2) {
        runner.batch_execute("BEGIN").await?;
        for statement in split_statements(text) {
            let prepared = runner.prepare(statement.text).await?;
            let values = pair.concat();
            let values = values.iter().take(prepared.params().len());
            let values: Vec<&(dyn ToSql + Sync)> = values.map(|value| value as _).collect();
            runner.execute(&prepared, &values).await?;
        }
        look(runner, before, observed).await;
        runner.batch_execute("COMMIT").await?;
    }
    Ok(())
}

/// Three keys: before the first, the last of the first batch, and of the second. The two are all of the table when it has to
/// be complete, and otherwise as large as the directive says.
async fn bounds(
    watcher: &Connection,
    backfill: &BackfillDirective,
    complete: bool,
) -> Result<[Vec<Text>; 3], tokio_postgres::Error> {
    let (table, key, batch) = (&backfill.table, backfill.key.join(", "), backfill.batch);
    // ORDER BY means an output column first, and these would sort as texts.
    let texts: Vec<String> =
        backfill.key.iter().map(|column| format!("{column}::text AS \"text\"")).collect();
    let (texts, first) = (texts.join(", "), &backfill.key[0]);
    let at = async |row: String| {
        let from = format!("{table} WHERE {first} IS NOT NULL");
        let sql = format!(
            "SELECT {texts} FROM {from} ORDER BY {key} \
             OFFSET (SELECT least({row}, count(*)) - 1 FROM {from}) LIMIT 1"
        );
        let row = watcher.query_one(&sql, &[]).await?;
        Ok((0..row.len()).map(|at| Text(row.get(at))).collect::<Vec<Text>>())
    };
    let mut before = at("1".to_owned()).await?;
    // Keys of the examples are numbers or texts.
    before[0] = Text(before[0].0.parse::<i64>().map_or(String::new(), |number| (number - 1).to_string()));
    let ends = match complete {
        true => ["count(*) / 2".to_owned(), "count(*)".to_owned()],
        false => [batch.to_string(), (2 * batch).to_string()],
    };
    let [middle, last] = ends;
    Ok([before, at(middle).await?, at(last).await?])
}

/// A value of whatever type the parameter has, as text.
#[derive(Debug, Clone)]
struct Text(String);

impl ToSql for Text {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

/// Looks at what the session's own transaction holds and did.
async fn look(runner: &Connection, before: &Tables, observed: &mut Observed) {
    let held = "SELECT relation, mode FROM pg_catalog.pg_locks \
                WHERE locktype = 'relation' AND pid = pg_catalog.pg_backend_pid()";
    for row in runner.query(held, &[]).await.unwrap() {
        note_lock(before, row.get(0), row.get(1), observed);
    }
    // What a session counts in earlier transactions may still be with it: it is new, and has counted nothing.
    let read = "SELECT relid, seq_tup_read FROM pg_catalog.pg_stat_xact_user_tables";
    for row in runner.query(read, &[]).await.unwrap() {
        note_read(before, row.get(0), row.get(1), observed);
    }
    note_files(runner, before, observed).await;
}

fn note_lock(before: &Tables, oid: u32, mode: &str, observed: &mut Observed) {
    let mode = [
        LockMode::AccessShare,
        LockMode::RowShare,
        LockMode::RowExclusive,
        LockMode::ShareUpdateExclusive,
        LockMode::Share,
        LockMode::ShareRowExclusive,
        LockMode::Exclusive,
        LockMode::AccessExclusive,
    ]
    .into_iter()
    .find(|known| known.pg_locks_name() == mode)
    .unwrap_or_else(|| panic!("lock mode {mode}"));
    if let Some(name) = before.name(oid) {
        let strongest = observed.locks.entry(name.to_owned()).or_insert(mode);
        *strongest = (*strongest).max(mode);
    }
}

fn note_read(before: &Tables, oid: u32, rows_read: i64, observed: &mut Observed) {
    let Some(table) = before.0.get(&oid) else { return };
    if table.rows > 0 && rows_read > table.rows / 2 {
        observed.scanned.insert(table.name.clone());
    }
}

async fn note_files(client: &Connection, before: &Tables, observed: &mut Observed) {
    let sql = "SELECT oid, pg_catalog.pg_relation_filenode(oid) FROM pg_catalog.pg_class \
               WHERE relkind IN ('r', 'm') AND pg_catalog.pg_relation_size(oid) > 0";
    for row in client.query(sql, &[]).await.unwrap() {
        let Some(table) = before.0.get(&row.get::<_, u32>(0)) else { continue };
        if row.get::<_, Option<u32>>(1) != table.filenode {
            observed.rewritten.insert(table.name.clone());
        }
    }
}

/// Runs a text statement by statement, each a transaction of its own.
async fn outside(
    url: &str,
    runner: Connection,
    watcher: &Connection,
    text: &str,
    watched: Option<&str>,
    before: &Tables,
    observed: &mut Observed,
) -> Result<(), tokio_postgres::Error> {
    let pid: i32 = runner.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    for statement in split_statements(text) {
        let mut blocker = match watched {
            Some(table) => Some(stand_in_the_way(url, table).await),
            None => None,
        };
        let sample = async {
            loop {
                let taken =
                    "SELECT relation, mode, granted FROM pg_locks WHERE locktype = 'relation' AND pid = $1";
                for row in watcher.query(taken, &[&pid]).await.unwrap() {
                    note_lock(before, row.get(0), row.get(1), observed);
                    if !row.get::<_, bool>(2)
                        && let Some(blocker) = blocker.take()
                    {
                        blocker.close().await;
                    }
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            biased;
            result = runner.batch_execute(statement.text) => result?,
            () = sample => {}
        }
    }
    // A session that ends hands in what it has counted.
    runner.close().await;
    note_files(watcher, before, observed).await;
    let began = Instant::now();
    loop {
        for (oid, table) in Tables::read(watcher).await.0 {
            let earlier = before.0.get(&oid).map_or(0, |table| table.read);
            note_read(before, oid, table.read - earlier, observed);
        }
        let awaited = watched.is_some_and(|table| !observed.scanned.contains(table));
        if !awaited || began.elapsed() > Duration::from_secs(2) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Holds the weakest lock that conflicts with itself and all stronger ones.
async fn stand_in_the_way(url: &str, table: &str) -> Connection {
    let blocker = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
    let lock = format!("BEGIN; LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE");
    blocker.batch_execute(&lock).await.unwrap();
    blocker
}
