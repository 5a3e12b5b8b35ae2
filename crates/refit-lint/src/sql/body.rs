//! Bodies of DO blocks, functions and procedures.

use super::{Span, Stmt, StmtKind};
use crate::parser::SyntaxError;

/// The body of a DO block, function or procedure. It is read lazily: a migration does not run most of the functions
/// that it creates.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// The language, lower case.
    pub language: String,
    pub(crate) source: Option<BodyText>,
    pub(crate) read: std::sync::OnceLock<crate::parser::BodyRead>,
}

/// An unread body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BodyText {
    /// The literal, with its quotes.
    pub(crate) literal: String,
    /// The span of the literal in the file.
    pub(crate) span: Span,
    /// The number of texts that the literal is quoted in.
    pub(crate) depth: usize,
}

/// The problems of a body.
#[derive(Debug)]
pub(crate) struct BodyFaults {
    /// Syntax errors.
    pub(crate) errors: Vec<SyntaxError>,
    /// Suppressions, which have no effect in a body, and their rules.
    pub(crate) unused: Vec<(Span, String)>,
}

impl Body {
    /// Its statements, at any depth; empty if the language is not SQL or PL/pgSQL.
    pub fn statements(&self) -> &[BodyStmt] {
        &self.read().statements
    }

    /// Its problems, and those of the bodies of the DO statements in it. `is_run` says whether its statements are
    /// needed too: most functions are only created, and their statements need not be kept.
    pub(crate) fn faults(&self, is_run: bool) -> BodyFaults {
        let skimmed;
        let read = match (&self.source, self.read.get()) {
            (Some(source), None) if !is_run => {
                skimmed = crate::parser::skim_body(&self.language, source);
                &skimmed
            }
            _ => self.read(),
        };
        let mut faults = BodyFaults { errors: read.errors.clone(), unused: read.unused.clone() };
        for inner in &read.statements {
            if let StmtKind::Do(body) = &inner.stmt.kind {
                // Its position is that of the text around it.
                let BodyFaults { errors, unused } = body.faults(is_run);
                let place = inner.stmt.span;
                faults.errors.extend(errors.into_iter().map(|error| SyntaxError { span: place, ..error }));
                faults.unused.extend(unused.into_iter().map(|(_, rule)| (place, rule)));
            }
        }
        faults
    }

    fn read(&self) -> &crate::parser::BodyRead {
        self.read.get_or_init(|| match &self.source {
            Some(source) => crate::parser::read_body(&self.language, source),
            None => Default::default(),
        })
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.language == other.language
            && self.source == other.source
            && (self.source.is_some() || self.statements() == other.statements())
    }
}

/// One statement of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyStmt {
    /// The statement.
    pub stmt: Stmt,
    /// Whether it is inside LOOP, FOR or WHILE. The array of a FOREACH is bounded by the text.
    pub in_loop: bool,
}
