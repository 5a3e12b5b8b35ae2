//! The only module that uses the parser: takes text, returns [`Stmt`]s and syntax errors.
//!
//! The parser is `squawk-parser`. Its events are built into a tree of our own ([`tree`]) and lowered to the types of
//! [`crate::sql`]. It is tolerant: a mistake costs the statement it is in, not the file. Nothing outside this folder
//! uses a type of the parser, so it can be replaced.

mod alter;
mod body;
mod calls;
mod drop;
mod expr;
mod into;
mod kinds;
mod literal;
mod names;
mod nesting;
mod newer;
mod psql;
mod query;
mod stmt;
mod table;
mod tokens;
mod tree;

use std::borrow::Cow;
use std::panic::catch_unwind;

pub(crate) use body::{BodyRead, read_body, skim_body};
pub(crate) use newer::Newer;
use squawk_parser::{EntryPoint, SyntaxKind};
pub(crate) use tokens::tokens;

use crate::sql::{Span, Stmt};

/// A parsed text.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) stmts: Vec<Stmt>,
    /// Syntax errors: the first position in each broken statement.
    pub(crate) errors: Vec<SyntaxError>,
    /// psql commands and COPY data, which are not SQL.
    pub(crate) psql: Vec<Span>,
    /// Syntax that only later servers support.
    pub(crate) newer: Vec<Newer>,
}

/// A syntax error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SyntaxError {
    /// From its position to the end of the broken part.
    pub(crate) span: Span,
    /// The parser's message.
    pub(crate) message: String,
    /// Whether it is an unterminated quote or comment: the rest of the text was parsed as part of it.
    pub(crate) unclosed: bool,
}

impl SyntaxError {
    fn new(span: Span, message: impl Into<String>) -> SyntaxError {
        SyntaxError { span, message: message.into(), unclosed: false }
    }
}

/// Parses a text. It never fails: unreadable parts become errors in the result, and the rest is read.
pub(crate) fn parse(text: &str) -> Parsed {
    let parsed = parse_readable(text);
    if parsed.errors.is_empty() {
        return parsed;
    }
    // psql commands are the most common reason why a whole file does not parse.
    match psql::masked(text) {
        Some((masked, psql)) => Parsed { psql, ..parse_readable(&masked) },
        None => parsed,
    }
}

/// The string constants of a text, without quotes; those in comments are ignored.
pub(crate) fn strings(text: &str) -> Vec<String> {
    refit_model::significant_tokens(text).into_iter().filter_map(literal::string).collect()
}

/// Parses what the parser can handle: skips statements that nest too deep, and one that it panics on.
fn parse_readable(text: &str) -> Parsed {
    let deep = nesting::too_deep(text, false);
    let text = without(text, &deep);
    let tried = |text: &str| catch_unwind(|| parse_as_is(text)).ok();
    let (mut parsed, broken) = match tried(&text) {
        Some(parsed) => (parsed, Vec::new()),
        None => {
            let broken: Vec<Span> = statements(&text)
                .into_iter()
                .filter(|span| tried(&text[span.start as usize..span.end as usize]).is_none())
                .collect();
            (tried(&without(&text, &broken)).unwrap_or_default(), broken)
        }
    };
    let levels = format!("it nests deeper than {} levels", nesting::DEEPEST);
    parsed.errors.extend(deep.into_iter().map(|span| SyntaxError::new(span, &*levels)));
    let unreadable = "the parser cannot handle it";
    parsed.errors.extend(broken.into_iter().map(|span| SyntaxError::new(span, unreadable)));
    parsed.errors.sort();
    parsed
}

/// The text with some ranges blanked, byte for byte, so that offsets stay valid.
fn without<'t>(text: &'t str, spans: &[Span]) -> Cow<'t, str> {
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for span in spans {
        kept.push_str(&text[end..span.start as usize]);
        end = span.end as usize;
        kept.extend(
            text[span.start as usize..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
        );
    }
    kept.push_str(&text[end..]);
    Cow::Owned(kept)
}

/// The parts between semicolons.
fn statements(text: &str) -> Vec<Span> {
    let (mut spans, mut start, mut end) = (Vec::new(), 0, 0);
    for token in squawk_lexer::tokenize(text) {
        end += token.len;
        if token.kind == squawk_lexer::TokenKind::Semi {
            spans.push(Span { start, end });
            start = end;
        }
    }
    spans.push(Span { start, end: text.len() as u32 });
    spans
}

fn parse_as_is(text: &str) -> Parsed {
    let tree = tree::Tree::parse(text, EntryPoint::SourceFile, 0);
    let mut parsed = Parsed::default();
    let (mut broken, mut cut_short): (Vec<Span>, Vec<Span>) = (Vec::new(), Vec::new());
    for node in tree.root().children() {
        if kinds::is_stmt(node.kind()) {
            let stmt = stmt::stmt(node);
            cut_short.extend(stmt::is_cut_short(node, &stmt).then_some(stmt.span));
            parsed.stmts.push(stmt);
        } else if node.kind() == SyntaxKind::ERROR {
            broken.push(node.span());
        }
    }
    parsed.errors = errors(&tree, &broken);
    parsed.errors.extend(cut_short.into_iter().map(|span| SyntaxError::new(span, "it is incomplete")));
    parsed.errors.sort();
    parsed.newer = newer::newer(tree.root());
    parsed
}

/// Syntax errors, each from its position to the end of the broken part.
fn errors(tree: &tree::Tree<'_>, broken: &[Span]) -> Vec<SyntaxError> {
    let text = tree.text();
    let mut all = Vec::new();
    // The offset of the line after the last reported error.
    let mut untold = 0;
    for (offset, message) in &tree.errors {
        let start = (*offset).min(text.len() as u32);
        if tree.unclosed.as_ref().is_some_and(|(unclosed, _)| *unclosed <= start) {
            break;
        }
        // One error per line is enough: the parser's later ones on it result from the first.
        if (start as usize) < untold {
            continue;
        }
        let rest = text.as_bytes()[start as usize..].iter().position(|byte| *byte == b'\n');
        untold = rest.map_or(text.len() + 1, |line| start as usize + line + 1);
        let node = broken.partition_point(|span| span.end <= start);
        let span = broken.get(node).filter(|span| span.start <= start);
        let end = span.map_or(start, |span| span.end);
        all.push(SyntaxError::new(Span { start, end }, message));
    }
    all.extend(tree.unclosed.as_ref().map(|(start, message)| {
        let span = Span { start: *start, end: *start };
        SyntaxError { span, message: message.clone(), unclosed: true }
    }));
    all
}
