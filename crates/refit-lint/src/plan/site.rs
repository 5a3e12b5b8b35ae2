//! The site of a finding: the statement, the file around it, and the schema before it.

use refit_model::Directives;

use crate::finding::Finding;
use crate::schema::Schema;
use crate::sequence::{Original, Parts};
use crate::sql::{AlterAction, AlterTarget, Name, Span, Stmt, StmtKind};
use crate::words::without_last_comment;

/// The site of a fix.
pub(crate) struct Site<'a> {
    pub(crate) path: &'a str,
    /// The path of the original file.
    pub(crate) origin: &'a str,
    pub(crate) text: &'a str,
    pub(crate) parts: &'a Parts,
    pub(crate) stmts: &'a [Stmt],
    /// The statement that contains the finding.
    pub(crate) index: usize,
    pub(crate) schema: &'a Schema,
    pub(crate) directives: &'a Directives,
    pub(crate) finding: &'a Finding,
    /// The oldest PostgreSQL major version in use.
    pub(crate) postgres: u32,
    /// Whether the file or its `.md` file gives a reason.
    pub(crate) explained: bool,
}

impl<'a> Site<'a> {
    pub(crate) fn stmt(&self) -> &'a Stmt {
        &self.stmts[self.index]
    }

    /// The statement as written.
    pub(crate) fn sql(&self) -> &'a str {
        self.written(self.stmt().span)
    }

    /// A part of the file as written.
    pub(crate) fn written(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// A name as written.
    pub(crate) fn name_of(&self, name: &Name) -> &'a str {
        self.written(name.span)
    }

    /// The name part of the file name.
    pub(crate) fn name(&self) -> &'a str {
        let file = self.origin.rsplit('/').next().unwrap_or(self.origin);
        let stem = file.strip_suffix(".sql").unwrap_or(file);
        stem.split_once("__").map_or(stem, |(_, name)| name)
    }

    /// The file, for the sequence that replaces it.
    pub(crate) fn original(&self) -> Original<'a> {
        let Site { parts, stmts, index, directives, explained, .. } = *self;
        Original { name: self.name(), parts, stmts, index, directives, explained }
    }

    /// The ALTER TABLE that contains the finding, and the action it concerns.
    ///
    /// # Errors
    ///
    /// If it is another statement, such as a DO block.
    pub(crate) fn action(&self) -> Result<Alter<'a>, String> {
        let StmtKind::Alter { target: AlterTarget::Table, table, actions } = &self.stmt().kind else {
            return Err(self.elsewhere());
        };
        let found = self.finding.span;
        let at = actions.iter().position(|(span, _)| span.start <= found.start && found.start < span.end);
        Ok(Alter {
            table,
            actions,
            at: at.ok_or_else(|| self.elsewhere())?,
            site_text: self.text,
            stmt: self.stmt(),
        })
    }

    /// Why a statement is not fixed if it is not the one that the rule is about.
    pub(crate) fn elsewhere(&self) -> String {
        match &self.stmt().kind {
            StmtKind::Do(_) => "it is in a DO block".to_owned(),
            StmtKind::Select(_) if !self.stmt().kind.changes().is_empty() => {
                "it is inside another statement".to_owned()
            }
            StmtKind::Select(_) | StmtKind::Call { .. } => {
                "it is in a function that this statement calls".to_owned()
            }
            _ => "it is not a separate statement".to_owned(),
        }
    }
}

/// An ALTER TABLE and one of its actions.
pub(crate) struct Alter<'a> {
    pub(crate) table: &'a Name,
    pub(crate) actions: &'a [(Span, AlterAction)],
    pub(crate) at: usize,
    site_text: &'a str,
    stmt: &'a Stmt,
}

impl<'a> Alter<'a> {
    pub(crate) fn action(&self) -> &'a AlterAction {
        &self.actions[self.at].1
    }

    /// The action as written.
    pub(crate) fn written(&self) -> &'a str {
        self.slice(self.actions[self.at].0.start, self.actions[self.at].0.end)
    }

    /// `ALTER TABLE t`, as written.
    pub(crate) fn head(&self) -> &'a str {
        without_last_comment(self.slice(self.stmt.span.start, self.actions[0].0.start))
    }

    /// The table as written.
    pub(crate) fn table(&self) -> &'a str {
        self.slice(self.table.span.start, self.table.span.end)
    }

    /// The statement with the action replaced.
    pub(crate) fn with(&self, action: &str) -> String {
        let span = self.actions[self.at].0;
        let (before, behind) =
            (self.slice(self.stmt.span.start, span.start), self.slice(span.end, self.stmt.span.end));
        format!("{before}{action}{behind}")
    }

    /// The actions before and after it, each as a statement.
    ///
    /// # Errors
    ///
    /// If there are comments between them.
    pub(crate) fn around(&self) -> Result<(Option<String>, Option<String>), String> {
        for pair in self.actions.windows(2) {
            let between = self.slice(pair[0].0.end, pair[1].0.start);
            if between.trim() != "," {
                return Err("there are comments between the actions of the ALTER TABLE".to_owned());
            }
        }
        let joined = |actions: &[(Span, AlterAction)]| {
            let first = actions.first()?.0.start;
            let last = actions.last()?.0.end;
            Some(format!("{} {}", self.head(), self.slice(first, last)))
        };
        Ok((joined(&self.actions[..self.at]), joined(&self.actions[self.at + 1..])))
    }

    fn slice(&self, start: u32, end: u32) -> &'a str {
        self.site_text.get(start as usize..end as usize).unwrap_or_default()
    }
}
