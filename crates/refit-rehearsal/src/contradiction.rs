//! Where the server did otherwise than the linter foresees, in either direction.
//!
//! Honest differences are none: what hangs on a condition (`IF NOT EXISTS`, a body with branches) need not happen; tables that the
//! migration itself made are nobody's concern; a scan that a query's plan chose is not the statement's nature; what a lookup
//! by index answers is read all the same; a partitioned table has no rows of its own.

use std::collections::BTreeMap;

use refit_lint::effects::Work;
use refit_lint::sql::{Name, StmtKind};
use refit_lint::{Foreseen, LockMode};
use serde::Serialize;

use crate::trace::{Existed, StatementTrace, Trace};

/// A difference between what was foreseen of a statement and what the server did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// The file, as the caller named it.
    pub path: String,
    /// Which statement of the file, from 1.
    pub statement: usize,
    /// The table that it is about.
    pub table: String,
    /// `lock`, `rewrite`, `scan` or `index`.
    pub about: &'static str,
    /// What was foreseen; none when nothing was.
    pub foreseen: Option<String>,
    /// What happened; none when nothing did.
    pub seen: Option<String>,
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let table = &self.table;
        match (&self.foreseen, &self.seen) {
            (Some(foreseen), Some(seen)) => write!(f, "foreseen for {table}: {foreseen}; seen: {seen}"),
            (Some(foreseen), None) => write!(f, "foreseen for {table}: {foreseen}; it did not happen"),
            (None, Some(seen)) => write!(f, "not foreseen for {table}: {seen}"),
            (None, None) => write!(f, "nothing about {table}"),
        }
    }
}

/// Everything in which a trace differs from what was foreseen for the same texts, in the order of the statements.
/// Statements that failed, and those that the linter could not read, are left out.
pub fn contradictions(trace: &Trace, foreseen: &[Foreseen]) -> Vec<Contradiction> {
    let mut found = Vec::new();
    for statement in trace.statements().filter(|statement| statement.failure.is_none() && statement.counted) {
        let same = |one: &&Foreseen| {
            let at = one.span.start as usize;
            one.path == statement.path && (statement.start..statement.end).contains(&at)
        };
        if let Some(one) = foreseen.iter().find(same) {
            Comparison::new(statement, one).run(&mut found);
        }
    }
    found
}

struct Comparison<'a> {
    seen: &'a StatementTrace,
    foreseen: &'a Foreseen,
    locks: BTreeMap<&'a str, LockMode>,
    work: BTreeMap<&'a str, Vec<Work>>,
}

impl<'a> Comparison<'a> {
    fn new(seen: &'a StatementTrace, foreseen: &'a Foreseen) -> Comparison<'a> {
        let mut locks: BTreeMap<&str, LockMode> = BTreeMap::new();
        let mut work: BTreeMap<&str, Vec<Work>> = BTreeMap::new();
        for (name, mode) in &foreseen.effects.locks {
            if let Some(existed) = resolve(seen, name) {
                let strongest = locks.entry(&existed.table).or_insert(*mode);
                *strongest = (*strongest).max(*mode);
            }
        }
        for (name, kind) in &foreseen.effects.work {
            if let Some(existed) = resolve(seen, name) {
                work.entry(&existed.table).or_default().push(*kind);
            }
        }
        Comparison { seen, foreseen, locks, work }
    }

    fn run(&self, found: &mut Vec<Contradiction>) {
        for existed in self.seen.existed.iter().filter(|existed| !existed.is_new) {
            self.lock(existed, found);
            self.rewrite(existed, found);
            self.index(existed, found);
            self.scan(existed, found);
        }
    }

    fn lock(&self, existed: &Existed, found: &mut Vec<Contradiction>) {
        let strongest = |locks: &[crate::trace::Lock]| {
            locks.iter().filter(|lock| lock.object == existed.table).map(|lock| lock.mode).max()
        };
        let (held, new) = (strongest(&self.seen.held), strongest(&self.seen.locks));
        let foreseen = self.locks.get(existed.table.as_str()).copied();
        // What locks a table locks its partitions.
        let inherited =
            existed.above.iter().filter_map(|above| self.locks.get(above.as_str()).copied()).max();
        let missing = foreseen.is_some_and(|mode| mode >= LockMode::RowExclusive) && held < foreseen;
        // Outside a transaction, a further lock may come and go before anybody looks.
        let missing = missing && !(self.seen.outside && held.is_some());
        // A lock that stops neither reads nor writes is not foreseen of everything: ANALYZE, COMMENT.
        let counts = |mode: LockMode| mode.stops_writes() || foreseen.is_some();
        let more = new.is_some_and(counts) && new > foreseen.max(inherited) && new >= held;
        if more || (missing && !self.is_conditional()) {
            let seen = if more { new } else { held };
            found.push(self.differs(existed, "lock", foreseen.map(locks_it), seen.map(locks_it)));
        }
    }

    fn rewrite(&self, existed: &Existed, found: &mut Vec<Contradiction>) {
        let seen = self.here_or_below(existed, |table| self.seen.rewritten.iter().any(|one| one == table));
        let foreseen = self.foresees(existed, &[Work::Rewrite]);
        let covered = foreseen || self.foresees_above(existed, &[Work::Rewrite]);
        let words = || Some(Work::Rewrite.to_string());
        if self.seen.rewritten.contains(&existed.table) && !covered {
            found.push(self.differs(existed, "rewrite", None, words()));
        } else if foreseen && !seen && !self.is_conditional() && !existed.is_partitioned {
            found.push(self.differs(existed, "rewrite", words(), None));
        }
    }

    fn index(&self, existed: &Existed, found: &mut Vec<Contradiction>) {
        let seen = self.seen.indexes.iter().any(|index| index.table == existed.table);
        let any = [Work::IndexBuild, Work::Rewrite];
        if seen && !self.foresees(existed, &any) && !self.foresees_above(existed, &any) {
            found.push(self.differs(existed, "index", None, Some(Work::IndexBuild.to_string())));
        }
    }

    fn scan(&self, existed: &Existed, found: &mut Vec<Contradiction>) {
        // What VACUUM reads is not counted.
        if matches!(self.foreseen.stmt.kind, StmtKind::Vacuum { .. }) {
            return;
        }
        let was_scanned = |table: &str| self.seen.scanned.iter().any(|scan| scan.table == table);
        let was_read = |table: &str| {
            was_scanned(table)
                || self.seen.looked_up.iter().any(|one| one == table)
                || self.seen.rewritten.iter().any(|one| one == table)
                || self.seen.indexes.iter().any(|index| index.table == table)
        };
        let kinds = [Work::Scan, Work::IndexBuild];
        let foreseen = self.foresees(existed, &kinds);
        if foreseen
            && !self.here_or_below(existed, was_read)
            && !self.is_conditional()
            && !existed.is_partitioned
        {
            let kind = if self.foresees(existed, &[Work::Scan]) { Work::Scan } else { Work::IndexBuild };
            found.push(self.differs(existed, "scan", Some(kind.to_string()), None));
        }
        let any = [Work::Scan, Work::IndexBuild, Work::Rewrite, Work::RowChange];
        let stopped = self
            .seen
            .held
            .iter()
            .any(|lock| lock.object == existed.table && lock.mode == LockMode::AccessExclusive);
        let by_nature =
            matches!(self.foreseen.stmt.kind, StmtKind::Alter { .. } | StmtKind::AlterDomain { .. });
        let unforeseen = !self.foresees(existed, &any) && !self.foresees_above(existed, &any);
        // A table that was rewritten without being foreseen is told of once.
        let told = self.seen.rewritten.contains(&existed.table)
            || self.seen.indexes.iter().any(|index| index.table == existed.table);
        if was_scanned(&existed.table) && stopped && by_nature && unforeseen && !told {
            found.push(self.differs(existed, "scan", None, Some(Work::Scan.to_string())));
        }
    }

    fn foresees(&self, existed: &Existed, kinds: &[Work]) -> bool {
        self.foresees_of(&existed.table, kinds)
    }

    fn foresees_above(&self, existed: &Existed, kinds: &[Work]) -> bool {
        existed.above.iter().any(|above| self.foresees_of(above, kinds))
    }

    fn foresees_of(&self, table: &str, kinds: &[Work]) -> bool {
        self.work.get(table).is_some_and(|work| work.iter().any(|kind| kinds.contains(kind)))
    }

    /// Whether something holds for a table, or one that is below it.
    fn here_or_below(&self, existed: &Existed, holds: impl Fn(&str) -> bool) -> bool {
        holds(&existed.table)
            || self
                .seen
                .existed
                .iter()
                .any(|other| other.above.contains(&existed.table) && holds(&other.table))
    }

    /// Whether what the statement says may rightly not happen.
    fn is_conditional(&self) -> bool {
        self.seen.guarded
            || matches!(
                self.foreseen.stmt.kind,
                StmtKind::Do(_) | StmtKind::Call { .. } | StmtKind::Select(_) | StmtKind::DynamicSql { .. }
            )
    }

    fn differs(
        &self,
        existed: &Existed,
        about: &'static str,
        foreseen: Option<String>,
        seen: Option<String>,
    ) -> Contradiction {
        Contradiction {
            path: self.seen.path.clone(),
            statement: self.seen.statement,
            table: existed.table.clone(),
            about,
            foreseen,
            seen,
        }
    }
}

fn locks_it(mode: LockMode) -> String {
    mode.to_string()
}

/// The table that a name means: itself, or the only one of that name where the search path is not the usual one.
fn resolve<'a>(seen: &'a StatementTrace, name: &Name) -> Option<&'a Existed> {
    let key = name.key();
    let exact = seen.existed.iter().find(|existed| existed.table == key);
    exact.or_else(|| {
        let mut others = seen.existed.iter().filter(|existed| {
            name.schema.is_none() && existed.table.rsplit_once('.').is_some_and(|(_, bare)| bare == name.name)
        });
        others.next().filter(|_| others.next().is_none())
    })
}
