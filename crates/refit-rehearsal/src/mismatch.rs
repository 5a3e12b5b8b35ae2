//! Differences between what the linter predicts and what the server did, in both directions.
//!
//! These do not count as mismatches: conditional work that did not happen (`IF NOT EXISTS`, a body with branches); tables
//! that the migration created, which no other session uses; a scan that the planner chose; a predicted scan that used an
//! index; a partitioned table, which has no rows of its own.

use std::collections::BTreeMap;

use refit_lint::effects::Work;
use refit_lint::sql::{Name, StmtKind};
use refit_lint::{LockMode, Prediction};
use serde::Serialize;

use crate::trace::{Existed, StatementTrace, Trace};

/// A difference between what was predicted of a statement and what the server did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The file, as the caller named it.
    pub path: String,
    /// The number of the statement in the file, from 1.
    pub statement: usize,
    /// The table.
    pub table: String,
    /// `lock`, `rewrite`, `scan` or `index`.
    pub about: &'static str,
    /// What was predicted; none if nothing was.
    pub predicted: Option<String>,
    /// What was observed; none if nothing was.
    pub observed: Option<String>,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let table = &self.table;
        match (&self.predicted, &self.observed) {
            (Some(predicted), Some(observed)) => {
                write!(f, "predicted for {table}: {predicted}; observed: {observed}")
            }
            (Some(predicted), None) => write!(f, "predicted for {table}: {predicted}; it did not happen"),
            (None, Some(observed)) => write!(f, "not predicted for {table}: {observed}"),
            (None, None) => write!(f, "no difference for {table}"),
        }
    }
}

/// The mismatches between a trace and the predictions for the same files, in the order of the statements. Statements
/// that failed, and those that the linter could not parse, are skipped.
pub fn mismatches(trace: &Trace, predicted: &[Prediction]) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for statement in trace.statements().filter(|statement| statement.failure.is_none() && statement.counted) {
        let same = |one: &&Prediction| {
            let at = one.span.start as usize;
            one.path == statement.path && (statement.start..statement.end).contains(&at)
        };
        if let Some(one) = predicted.iter().find(same) {
            Comparison::new(statement, one).run(&mut found);
        }
    }
    found
}

struct Comparison<'a> {
    observed: &'a StatementTrace,
    predicted: &'a Prediction,
    locks: BTreeMap<&'a str, LockMode>,
    work: BTreeMap<&'a str, Vec<Work>>,
}

impl<'a> Comparison<'a> {
    fn new(observed: &'a StatementTrace, predicted: &'a Prediction) -> Comparison<'a> {
        let mut locks: BTreeMap<&str, LockMode> = BTreeMap::new();
        let mut work: BTreeMap<&str, Vec<Work>> = BTreeMap::new();
        for (name, mode) in &predicted.effects.locks {
            if let Some(existed) = resolve(observed, name) {
                let strongest = locks.entry(&existed.table).or_insert(*mode);
                *strongest = (*strongest).max(*mode);
            }
        }
        for (name, kind) in &predicted.effects.work {
            if let Some(existed) = resolve(observed, name) {
                work.entry(&existed.table).or_default().push(*kind);
            }
        }
        Comparison { observed, predicted, locks, work }
    }

    fn run(&self, found: &mut Vec<Mismatch>) {
        for existed in self.observed.existed.iter().filter(|existed| !existed.is_new) {
            self.lock(existed, found);
            self.rewrite(existed, found);
            self.index(existed, found);
            self.scan(existed, found);
        }
    }

    fn lock(&self, existed: &Existed, found: &mut Vec<Mismatch>) {
        let strongest = |locks: &[crate::trace::Lock]| {
            locks.iter().filter(|lock| lock.object == existed.table).map(|lock| lock.mode).max()
        };
        let (held, new) = (strongest(&self.observed.held), strongest(&self.observed.locks));
        let predicted = self.locks.get(existed.table.as_str()).copied();
        // A lock on a table also locks its partitions.
        let inherited =
            existed.above.iter().filter_map(|above| self.locks.get(above.as_str()).copied()).max();
        let missing = predicted.is_some_and(|mode| mode >= LockMode::RowExclusive) && held < predicted;
        // Outside a transaction, a further lock may be released before it is observed.
        let missing = missing && !(self.observed.outside && held.is_some());
        // Locks that block neither reads nor writes are not always predicted: ANALYZE, COMMENT.
        let counts = |mode: LockMode| mode.stops_writes() || predicted.is_some();
        let more = new.is_some_and(counts) && new > predicted.max(inherited) && new >= held;
        if more || (missing && !self.is_conditional()) {
            let observed = if more { new } else { held };
            found.push(self.differs(existed, "lock", predicted.map(lock_text), observed.map(lock_text)));
        }
    }

    fn rewrite(&self, existed: &Existed, found: &mut Vec<Mismatch>) {
        let observed =
            self.here_or_below(existed, |table| self.observed.rewritten.iter().any(|one| one == table));
        let predicted = self.predicts(existed, &[Work::Rewrite]);
        let covered = predicted || self.predicts_above(existed, &[Work::Rewrite]);
        let words = || Some(Work::Rewrite.to_string());
        if self.observed.rewritten.contains(&existed.table) && !covered {
            found.push(self.differs(existed, "rewrite", None, words()));
        } else if predicted && !observed && !self.is_conditional() && !existed.is_partitioned {
            found.push(self.differs(existed, "rewrite", words(), None));
        }
    }

    fn index(&self, existed: &Existed, found: &mut Vec<Mismatch>) {
        let observed = self.observed.indexes.iter().any(|index| index.table == existed.table);
        let any = [Work::IndexBuild, Work::Rewrite];
        if observed && !self.predicts(existed, &any) && !self.predicts_above(existed, &any) {
            found.push(self.differs(existed, "index", None, Some(Work::IndexBuild.to_string())));
        }
    }

    fn scan(&self, existed: &Existed, found: &mut Vec<Mismatch>) {
        // The statistics do not count what VACUUM reads.
        if matches!(self.predicted.stmt.kind, StmtKind::Vacuum { .. }) {
            return;
        }
        let was_scanned = |table: &str| self.observed.scanned.iter().any(|scan| scan.table == table);
        let was_read = |table: &str| {
            was_scanned(table)
                || self.observed.looked_up.iter().any(|one| one == table)
                || self.observed.rewritten.iter().any(|one| one == table)
                || self.observed.indexes.iter().any(|index| index.table == table)
        };
        let kinds = [Work::Scan, Work::IndexBuild];
        let predicted = self.predicts(existed, &kinds);
        if predicted
            && !self.here_or_below(existed, was_read)
            && !self.is_conditional()
            && !existed.is_partitioned
        {
            let kind = if self.predicts(existed, &[Work::Scan]) { Work::Scan } else { Work::IndexBuild };
            found.push(self.differs(existed, "scan", Some(kind.to_string()), None));
        }
        let any = [Work::Scan, Work::IndexBuild, Work::Rewrite, Work::RowChange];
        let stopped = self
            .observed
            .held
            .iter()
            .any(|lock| lock.object == existed.table && lock.mode == LockMode::AccessExclusive);
        let by_nature =
            matches!(self.predicted.stmt.kind, StmtKind::Alter { .. } | StmtKind::AlterDomain { .. });
        let unpredicted = !self.predicts(existed, &any) && !self.predicts_above(existed, &any);
        // An unpredicted rewrite is reported only once.
        let reported = self.observed.rewritten.contains(&existed.table)
            || self.observed.indexes.iter().any(|index| index.table == existed.table);
        if was_scanned(&existed.table) && stopped && by_nature && unpredicted && !reported {
            found.push(self.differs(existed, "scan", None, Some(Work::Scan.to_string())));
        }
    }

    fn predicts(&self, existed: &Existed, kinds: &[Work]) -> bool {
        self.predicts_of(&existed.table, kinds)
    }

    fn predicts_above(&self, existed: &Existed, kinds: &[Work]) -> bool {
        existed.above.iter().any(|above| self.predicts_of(above, kinds))
    }

    fn predicts_of(&self, table: &str, kinds: &[Work]) -> bool {
        self.work.get(table).is_some_and(|work| work.iter().any(|kind| kinds.contains(kind)))
    }

    /// Whether `holds` is true for a table or one of its descendants.
    fn here_or_below(&self, existed: &Existed, holds: impl Fn(&str) -> bool) -> bool {
        holds(&existed.table)
            || self
                .observed
                .existed
                .iter()
                .any(|other| other.above.contains(&existed.table) && holds(&other.table))
    }

    /// Whether predicted work may legitimately not happen.
    fn is_conditional(&self) -> bool {
        self.observed.guarded
            || matches!(
                self.predicted.stmt.kind,
                StmtKind::Do(_) | StmtKind::Call { .. } | StmtKind::Select(_) | StmtKind::DynamicSql { .. }
            )
    }

    fn differs(
        &self,
        existed: &Existed,
        about: &'static str,
        predicted: Option<String>,
        observed: Option<String>,
    ) -> Mismatch {
        Mismatch {
            path: self.observed.path.clone(),
            statement: self.observed.statement,
            table: existed.table.clone(),
            about,
            predicted,
            observed,
        }
    }
}

fn lock_text(mode: LockMode) -> String {
    mode.to_string()
}

/// The table that a name refers to: an exact match, else the only table of that name in any schema.
fn resolve<'a>(observed: &'a StatementTrace, name: &Name) -> Option<&'a Existed> {
    let key = name.key();
    let exact = observed.existed.iter().find(|existed| existed.table == key);
    exact.or_else(|| {
        let mut others = observed.existed.iter().filter(|existed| {
            name.schema.is_none() && existed.table.rsplit_once('.').is_some_and(|(_, bare)| bare == name.name)
        });
        others.next().filter(|_| others.next().is_none())
    })
}
