//! What a rule is given, and how it reports.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use refit_model::{Directives, Phase, Position};

use crate::finding::{Finding, Severity};
use crate::held::AllHeld;
use crate::lock::LockMode;
use crate::schema::Schema;
use crate::sql::{AlterAction, AlterTarget, Name, Span, Stmt, StmtKind};
use crate::unfilled::Unfilled;
use crate::window::Window;

/// One file of the input.
#[derive(Debug, Clone)]
pub struct File {
    /// As the caller named it.
    pub path: String,
    /// Normalised text.
    pub text: String,
    /// What its front matter says.
    pub directives: Directives,
    /// Whether a comment above its first statement, or a `.md` beside it, says why.
    pub explained: bool,
    /// The version that its name gives, if it has one.
    pub version: Option<i64>,
    /// Whether findings in it are wanted; otherwise it is replayed for the schema only.
    pub reported: bool,
    /// Where its lines end, once somebody has asked.
    pub(crate) line_ends: OnceLock<Vec<u32>>,
}

impl File {
    /// The line, from 1, that a byte is on. Asking often costs little.
    pub(crate) fn line(&self, offset: u32) -> usize {
        let ends = self.line_ends.get_or_init(|| {
            let bytes = self.text.bytes().zip(0_u32..);
            bytes.filter(|(byte, _)| *byte == b'\n').map(|(_, offset)| offset).collect()
        });
        ends.partition_point(|end| *end < offset) + 1
    }

    /// Whether it may take away what only the old release needs: it says `phase = "contract"`, and why.
    pub(crate) fn may_break(&self) -> bool {
        self.directives.phase == Some(Phase::Contract) && self.explained
    }
}

/// What holds for the whole run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The oldest PostgreSQL major version in use.
    pub postgres: u32,
    /// Whether that was named, not assumed.
    pub is_named: bool,
}

/// A backfill of the set: the columns that it fills, and the migration that does so.
#[derive(Debug, Clone)]
pub(crate) struct Backfill {
    /// Its version.
    pub(crate) version: Option<i64>,
    /// The table's key.
    pub(crate) table: String,
    /// The columns that its UPDATE sets.
    pub(crate) columns: Vec<String>,
}

/// What a rule of statements is given.
pub(crate) struct StatementCheck<'a> {
    /// The statement; one inside of a body is given like any other.
    pub(crate) stmt: &'a Stmt,
    /// Whether it is inside of a DO block, or of a function that the migration calls.
    pub(crate) in_body: bool,
    /// The statements of the file before the top-level one.
    pub(crate) before: &'a [Stmt],
    /// The statements of the file after the top-level one.
    pub(crate) rest: &'a [Stmt],
    pub(crate) file: &'a File,
    /// The schema before the top-level statement.
    pub(crate) schema: &'a Schema,
    /// The transaction before the statement.
    pub(crate) window: &'a Window,
    /// Backfills of migrations before this one.
    pub(crate) backfills: &'a [Backfill],
    /// Columns that were added without a value before the top-level statement.
    pub(crate) unfilled: &'a Unfilled,
    /// Migrations before this one that wait for a backfill.
    pub(crate) held: &'a AllHeld,
    /// Versions that are complete before this file runs.
    pub(crate) gates: &'a HashSet<i64>,
    pub(crate) settings: &'a Settings,
    pub(crate) reports: &'a mut Vec<Report>,
}

/// What a rule of files is given.
pub(crate) struct FileCheck<'a> {
    pub(crate) file: &'a File,
    /// The statements of the file.
    pub(crate) stmts: &'a [Stmt],
    /// Sidecars by stem: `V0001__x` to the suffixes that exist, such as `.down.sql`.
    pub(crate) sidecars: &'a HashMap<String, Vec<&'static str>>,
    pub(crate) reports: &'a mut Vec<Report>,
}

/// What a rule reports: a [`Finding`] before the engine has added rule, severity and positions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    span: Span,
    message: String,
    help: String,
    lock: Option<LockMode>,
    table: Option<String>,
    group: Option<String>,
    is_held_while_working: bool,
}

impl<'a> StatementCheck<'a> {
    /// The table that ALTER TABLE changes, and what it does; none when the table is new.
    pub(crate) fn alters(&self) -> Option<(&'a Name, &'a [(Span, AlterAction)])> {
        match &self.stmt.kind {
            StmtKind::Alter { target: AlterTarget::Table, table, actions } if !self.is_new(table) => {
                Some((table, actions))
            }
            _ => None,
        }
    }

    /// A part of the statement as it is written; none inside of bodies, where parts have no place in the file.
    pub(crate) fn written(&self, part: Span) -> Option<&'a str> {
        let text = self.file.text.get(part.start as usize..part.end as usize);
        text.filter(|_| !self.in_body)
    }

    /// Reports at the statement as a whole.
    pub(crate) fn report(&mut self, message: impl Into<String>) -> &mut Report {
        self.report_at(self.stmt.span, message)
    }

    /// Reports at a part of the statement; inside of a body, where parts have no place in the file, at the statement.
    pub(crate) fn report_at(&mut self, span: Span, message: impl Into<String>) -> &mut Report {
        let span = if self.in_body { self.stmt.span } else { span };
        push(self.reports, span, message.into())
    }

    /// Whether a table is new in this migration, or temporary: nobody waits for it, and it has no rows worth counting.
    pub(crate) fn is_new(&self, table: &Name) -> bool {
        self.window.created.contains(&*table.key_ref()) || self.is_temporary(table)
    }

    /// Whether a table ends with the session.
    pub(crate) fn is_temporary(&self, table: &Name) -> bool {
        self.window.temporary.contains(&*table.key_ref()) || table.schema.as_deref() == Some("pg_temp")
    }
}

impl FileCheck<'_> {
    /// Reports at the beginning of the file.
    pub(crate) fn report(&mut self, message: impl Into<String>) -> &mut Report {
        self.report_at(Span::default(), message)
    }

    /// Reports at a place.
    pub(crate) fn report_at(&mut self, span: Span, message: impl Into<String>) -> &mut Report {
        push(self.reports, span, message.into())
    }
}

fn push(reports: &mut Vec<Report>, span: Span, message: String) -> &mut Report {
    reports.push(Report { span, message, ..Report::default() });
    let last = reports.len() - 1;
    &mut reports[last]
}

impl Report {
    /// The lock, and on which table.
    pub(crate) fn lock(&mut self, mode: LockMode, table: &Name) -> &mut Report {
        self.lock = Some(mode);
        self.table = Some(table.to_string());
        self
    }

    /// The table, where no lock is the point.
    pub(crate) fn table(&mut self, table: &Name) -> &mut Report {
        self.table = Some(table.to_string());
        self
    }

    /// The safe way: a sentence, then SQL ready to paste on lines of its own.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Report {
        self.help = help.into();
        self
    }

    /// What it has in common with others: of the reports of a rule in a file that have the same group, the first is shown.
    pub(crate) fn group(&mut self, group: impl Into<String>) -> &mut Report {
        self.group = Some(group.into());
        self
    }

    /// It is about a lock that is held while the statement works, not while it waits for another lock.
    pub(crate) fn held_while_working(&mut self) -> &mut Report {
        self.is_held_while_working = true;
        self
    }

    pub(crate) fn into_finding(self, rule: &'static str, severity: Severity, file: &File) -> Finding {
        Finding {
            rule,
            severity,
            path: file.path.clone(),
            span: self.span,
            // The engine gives all findings of a file their positions in one go.
            start: Position { line: 1, column: 1 },
            end: Position { line: 1, column: 1 },
            message: self.message,
            help: self.help,
            lock: self.lock,
            table: self.table,
            group: self.group,
            is_held_while_working: self.is_held_while_working,
        }
    }
}
