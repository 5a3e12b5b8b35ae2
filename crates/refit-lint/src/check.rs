//! The input of a rule, and how it reports findings.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use refit_model::{Directives, Phase, Position, SqlText};

use crate::finding::{Finding, Severity};
use crate::held::AllHeld;
use crate::lock::LockMode;
use crate::schema::Schema;
use crate::sql::{AlterAction, AlterTarget, Name, Span, Stmt, StmtKind};
use crate::unfilled::Unfilled;
use crate::window::Window;

/// An input file.
#[derive(Debug, Clone)]
pub struct File {
    /// The path as the caller gave it.
    pub path: String,
    /// Its text, with values in place of placeholders.
    pub text: SqlText,
    /// The directives of its front matter.
    pub directives: Directives,
    /// Whether a comment above its first statement, or its `.md` file, gives a reason.
    pub explained: bool,
    /// The version in its name, if it has one.
    pub version: Option<i64>,
    /// Whether findings in it are reported; if not, it is only replayed for the schema.
    pub reported: bool,
    /// Offsets of its line ends, computed on first use.
    pub(crate) line_ends: OnceLock<Vec<u32>>,
}

impl File {
    /// The line, from 1, of an offset in what is sent. Repeated calls are cheap.
    pub(crate) fn line(&self, offset: u32) -> usize {
        let ends = self.line_ends.get_or_init(|| {
            let bytes = self.text.written().bytes().zip(0_u32..);
            bytes.filter(|(byte, _)| *byte == b'\n').map(|(_, offset)| offset).collect()
        });
        let offset = self.text.written_offset(offset as usize);
        ends.partition_point(|end| (*end as usize) < offset) + 1
    }

    /// Whether it may remove what only the old release needs: it has `phase = "contract"` and a reason.
    pub(crate) fn may_break(&self) -> bool {
        self.directives.phase == Some(Phase::Contract) && self.explained
    }
}

/// Settings of the whole run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The oldest PostgreSQL major version in use.
    pub postgres: u32,
    /// Whether that version was configured, not assumed.
    pub is_named: bool,
}

/// A backfill of the set: the columns that it fills, and its migration.
#[derive(Debug, Clone)]
pub(crate) struct Backfill {
    /// Its version.
    pub(crate) version: Option<i64>,
    /// The table's key.
    pub(crate) table: String,
    /// The columns that its UPDATE sets.
    pub(crate) columns: Vec<String>,
}

/// The input of a rule that checks statements.
pub(crate) struct StatementCheck<'a> {
    /// The statement; one inside a body is passed like any other.
    pub(crate) stmt: &'a Stmt,
    /// Whether it is inside a DO block, or a function that the migration calls.
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

/// The input of a rule that checks files.
pub(crate) struct FileCheck<'a> {
    pub(crate) file: &'a File,
    /// The statements of the file.
    pub(crate) stmts: &'a [Stmt],
    /// Suffixes of existing companion files, such as `.down.sql`, by stem: `V0001__x`. With `.md`, also the names of its sections
    /// that are not empty.
    pub(crate) companions: &'a HashMap<String, Vec<&'static str>>,
    pub(crate) reports: &'a mut Vec<Report>,
}

/// A rule's report: a [`Finding`] before the engine adds rule, severity and positions.
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
    /// The table that ALTER TABLE changes, and its actions; `None` if the table is new.
    pub(crate) fn alters(&self) -> Option<(&'a Name, &'a [(Span, AlterAction)])> {
        match &self.stmt.kind {
            StmtKind::Alter { target: AlterTarget::Table, table, actions } if !self.is_new(table) => {
                Some((table, actions))
            }
            _ => None,
        }
    }

    /// A part of the statement as written; `None` inside bodies, whose parts have no position in the file.
    pub(crate) fn written(&self, part: Span) -> Option<&'a str> {
        let text = &self.file.text;
        let text = text.written().get(text.written_range(part.start as usize..part.end as usize));
        text.filter(|_| !self.in_body)
    }

    /// Reports a finding for the whole statement.
    pub(crate) fn report(&mut self, message: impl Into<String>) -> &mut Report {
        self.report_at(self.stmt.span, message)
    }

    /// Reports a finding for a part of the statement, or for the whole statement inside a body, whose parts have no
    /// position in the file.
    pub(crate) fn report_at(&mut self, span: Span, message: impl Into<String>) -> &mut Report {
        let span = if self.in_body { self.stmt.span } else { span };
        push(self.reports, span, message.into())
    }

    /// Whether a table is new in this migration, or temporary: no other session can wait for it, and it has few rows.
    pub(crate) fn is_new(&self, table: &Name) -> bool {
        self.window.created.contains(&*table.key_ref()) || self.is_temporary(table)
    }

    /// Whether a table is temporary.
    pub(crate) fn is_temporary(&self, table: &Name) -> bool {
        self.window.temporary.contains(&*table.key_ref()) || table.schema.as_deref() == Some("pg_temp")
    }
}

impl FileCheck<'_> {
    /// Reports a finding at the beginning of the file.
    pub(crate) fn report(&mut self, message: impl Into<String>) -> &mut Report {
        self.report_at(Span::default(), message)
    }

    /// Reports a finding at a span.
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
    /// Sets the lock and the table it is on.
    pub(crate) fn lock(&mut self, mode: LockMode, table: &Name) -> &mut Report {
        self.lock = Some(mode);
        self.table = Some(table.to_string());
        self
    }

    /// Sets the table, if the finding is not about a lock.
    pub(crate) fn table(&mut self, table: &Name) -> &mut Report {
        self.table = Some(table.to_string());
        self
    }

    /// Sets the safe way: a sentence, then SQL on separate lines, ready to paste.
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
            // The engine computes the positions of all findings of a file in one pass.
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
