//! Bodies of DO blocks, functions and procedures.

use super::{Span, Stmt, StmtKind};
use crate::parser::SyntaxError;

/// The body of a DO block, function or procedure. It is read when somebody asks: most functions that a migration creates
/// are not run by it.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// The language, lower case.
    pub language: String,
    pub(crate) source: Option<BodyText>,
    pub(crate) read: std::sync::OnceLock<crate::parser::BodyRead>,
}

/// A body as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BodyText {
    /// The literal, with its quotes.
    pub(crate) literal: String,
    /// Where the literal stands in the file.
    pub(crate) span: Span,
    /// How many texts the literal is quoted in.
    pub(crate) depth: usize,
}

/// What is wrong with a body.
#[derive(Debug)]
pub(crate) struct BodyFaults {
    /// What does not parse.
    pub(crate) errors: Vec<SyntaxError>,
    /// Suppressions, which nobody looks for in there, and their rules.
    pub(crate) unheard: Vec<(Span, String)>,
}

impl Body {
    /// Its statements, however deep; empty when the language is not SQL or PL/pgSQL.
    pub fn statements(&self) -> &[BodyStmt] {
        &self.read().statements
    }

    /// What is wrong with it, and with the bodies of the DO statements in it. `is_run` tells whether its statements are
    /// asked for as well: most functions are only created, and theirs need not be kept.
    pub(crate) fn faults(&self, is_run: bool) -> BodyFaults {
        let skimmed;
        let read = match (&self.source, self.read.get()) {
            (Some(source), None) if !is_run => {
                skimmed = crate::parser::skim_body(&self.language, source);
                &skimmed
            }
            _ => self.read(),
        };
        let mut faults = BodyFaults { errors: read.errors.clone(), unheard: read.unheard.clone() };
        for inner in &read.statements {
            if let StmtKind::Do(body) = &inner.stmt.kind {
                // Its own place is that of the text around it.
                let BodyFaults { errors, unheard } = body.faults(is_run);
                let place = inner.stmt.span;
                faults.errors.extend(errors.into_iter().map(|error| SyntaxError { span: place, ..error }));
                faults.unheard.extend(unheard.into_iter().map(|(_, rule)| (place, rule)));
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
    /// Inside LOOP, FOR or WHILE. An array that FOREACH goes through is as long as it is written.
    pub in_loop: bool,
}
