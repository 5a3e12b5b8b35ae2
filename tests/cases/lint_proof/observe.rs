//! What a server was seen to do with an example, over all of its statements.

use std::collections::{BTreeMap, BTreeSet};

use refit_lint::LockMode;
use refit_model::{StatementKind, front_matter, split_statements};
use refit_rehearsal::{File, Options, Trace, runs, trace};

/// What a server was seen to do to the tables that were there before. Tables are named as in the search path.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The strongest lock on each.
    pub(super) locks: BTreeMap<String, LockMode>,
    /// Tables that are in new files, and not empty.
    pub(super) rewritten: BTreeSet<String>,
    /// Tables of which most rows were read in sequence.
    pub(super) scanned: BTreeSet<String>,
    /// SQLSTATE and message of what failed; nothing runs after that.
    pub(super) error: Option<(String, String)>,
    /// All of it.
    pub(super) trace: Trace,
}

/// Whether all that runs is one file in one transaction, so that it can be undone.
pub(super) fn is_one_transaction(files: &[(String, String)]) -> bool {
    let mut files = files.iter().filter(|(path, _)| runs(path));
    let (Some((path, text)), None) = (files.next(), files.next()) else { return false };
    let (directives, ..) = front_matter(path, text);
    let control = |text: &str| {
        split_statements(text).iter().any(|statement| statement.kind == StatementKind::TransactionControl)
    };
    directives.transaction && directives.backfill.is_none() && !control(text)
}

/// Runs the files in order, those that wait for a backfill behind the others, as on a new database. With `undo`, nothing is committed.
pub(super) async fn run(url: &str, files: &[(String, String)], undo: bool) -> Observed {
    let mut files: Vec<&(String, String)> = files.iter().filter(|(path, _)| runs(path)).collect();
    files.sort_by_key(|(path, text)| !front_matter(path, text).0.after.is_empty());
    let files = files.into_iter();
    let files: Vec<File> = files.map(|(path, text)| File::new(path, text, true)).collect();
    // Of a backfill for which nobody waits, two batches tell enough.
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
