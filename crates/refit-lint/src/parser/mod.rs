//! The one place that knows the parser: text in, [`Stmt`]s and syntax errors out.
//!
//! The parser is `squawk-parser`, whose events are built into a tree of our own ([`tree`]) and lowered to the types of
//! [`crate::sql`]. It is tolerant: a mistake costs the statement it is in, not the file. Nothing outside of this folder
//! names a type of the parser, so another one can take its place.

mod alter;
mod body;
mod expr;
mod names;
mod psql;
mod query;
mod stmt;
mod table;
mod tree;

use squawk_parser::{EntryPoint, SyntaxKind};

use crate::sql::{Span, Stmt};

/// A text, parsed.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) stmts: Vec<Stmt>,
    /// What does not parse: the first place of each broken statement, and the parser's words.
    pub(crate) errors: Vec<(Span, String)>,
    /// psql's own commands and COPY data, which no server reads.
    pub(crate) psql: Vec<Span>,
}

/// Parses a text. Never fails: what cannot be read is an error in the result, and the rest is read.
pub(crate) fn parse(text: &str) -> Parsed {
    let parsed = parse_as_is(text);
    if parsed.errors.is_empty() {
        return parsed;
    }
    // Lines that are psql's are the usual reason for a whole file not to parse.
    match psql::masked(text) {
        Some((masked, psql)) => Parsed { psql, ..parse_as_is(&masked) },
        None => parsed,
    }
}

/// The string constants of a text, without their quotes, comments left out.
pub(crate) fn strings(text: &str) -> Vec<String> {
    refit_model::significant_tokens(text).into_iter().filter_map(names::string).collect()
}

fn parse_as_is(text: &str) -> Parsed {
    let tree = tree::Tree::parse(text, EntryPoint::SourceFile);
    let root = tree.root();
    let mut parsed = Parsed::default();
    let mut broken: Vec<Span> = Vec::new();
    for node in root.children() {
        if stmt::is_stmt(node.kind()) {
            parsed.stmts.push(stmt::stmt(node));
        } else if node.kind() == SyntaxKind::ERROR {
            broken.push(node.span());
        }
    }
    let mut told: Option<u32> = None;
    for (offset, message) in &tree.errors {
        // One error a line is enough: the parser's later ones on it follow from the first.
        let line_start = text[..(*offset as usize).min(text.len())].rfind('\n').map_or(0, |at| at as u32 + 1);
        if told == Some(line_start) {
            continue;
        }
        told = Some(line_start);
        let start = (*offset).min(text.len() as u32);
        let span = broken.iter().find(|span| span.start <= start && start < span.end);
        let end = span.map_or(start, |span| span.end);
        parsed.errors.push((Span { start, end }, message.clone()));
    }
    parsed
}
