//! The observed effects of an example on a server, over all of its statements.

use std::collections::{BTreeMap, BTreeSet};

use refit_lint::LockMode;
use refit_model::{StatementKind, front_matter, split_statements};
use refit_rehearsal::{File, Options, Trace, runs, trace};

/// The observed effects on the tables that existed before. Tables are named as in the search path.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The strongest lock on each.
    pub(super) locks: BTreeMap<String, LockMode>,
    /// Tables that were rewritten into new files, and are not empty.
    pub(super) rewritten: BTreeSet<String>,
    /// Tables most of whose rows were read by sequential scans.
    pub(super) scanned: BTreeSet<String>,
    /// SQLSTATE and message of the statement that failed; nothing runs after it.
    pub(super) error: Option<(String, String)>,
    /// The whole trace.
    pub(super) trace: Trace,
}

/// Whether everything that runs is one file in one transaction, so that it can be rolled back.
pub(super) fn is_one_transaction(files: &[(String, String)]) -> bool {
    let mut files = files.iter().filter(|(path, _)| runs(path));
    let (Some((path, text)), None) = (files.next(), files.next()) else { return false };
    let (directives, ..) = front_matter(path, text);
    let control = |text: &str| {
        split_statements(text).iter().any(|statement| statement.kind == StatementKind::TransactionControl)
    };
    directives.transaction && directives.backfill.is_none() && !control(text)
}

/// Runs the files in order, those that wait for a backfill after the others, as on a new database. With `undo`, nothing is
/// committed.
pub(super) async fn run(url: &str, files: &[(String, String)], undo: bool) -> Observed {
    let mut files: Vec<&(String, String)> = files.iter().filter(|(path, _)| runs(path)).collect();
    files.sort_by_key(|(path, text)| !front_matter(path, text).0.after.is_empty());
    let files = files.into_iter();
    let files: Vec<File> = files.map(|(path, text)| File::new(path, text, true)).collect();
    // If no step waits for a backfill, two of its batches are sufficient.
    let options = Options { commit: !undo, batches: 2, transaction_control: true, ..Options::default() };
    let trace = trace(url, &files, &options).await.unwrap();
    let mut observed = Observed::default();
    for statement in trace.statements() {
        let existed: BTreeSet<&str> = statement
            .existed
            .iter()
            .filter(|existed| !existed.is_new)
            .map(|existed| existed.table.as_str())
            .collect();
        for lock in statement.held.iter().filter(|lock| existed.contains(lock.object.as_str())) {
            let strongest = observed.locks.entry(lock.object.clone()).or_insert(lock.mode);
            *strongest = (*strongest).max(lock.mode);
        }
        let before = |table: &&String| existed.contains(table.as_str());
        observed.rewritten.extend(statement.rewritten.iter().filter(before).cloned());
        let scanned = statement.scanned.iter().filter(|scan| scan.rows > 0).map(|scan| &scan.table);
        observed.scanned.extend(scanned.filter(before).cloned());
    }
    observed.error = trace.failure().and_then(|statement| statement.failure.as_ref()).map(|failure| {
        (failure.sqlstate.as_deref().unwrap_or("refused").to_owned(), failure.message.clone())
    });
    Observed { trace, ..observed }
}
