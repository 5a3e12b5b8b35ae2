//! Bodies: DO blocks, functions, procedures, and EXECUTE of constant strings inside them.

use std::panic::catch_unwind;

use refit_model::front_matter;
use squawk_parser::{EntryPoint, SyntaxKind as K};

use super::calls::calls;
use super::into::targets;
use super::kinds::is_stmt;
use super::literal::string;
use super::names::simple;
use super::nesting::too_deep;
use super::query::query;
use super::stmt::stmt;
use super::tree::{NodeRef, Tree};
use super::{SyntaxError, errors, tokens, without};
use crate::sql::{Body, BodyStmt, BodyText, Cte, Dml, Expr, Literal, Span, Stmt, StmtKind};

/// Maximum depth of bodies inside bodies.
const DEEPEST: usize = 8;

/// The body of a DO block or routine node.
pub(super) fn body(node: NodeRef<'_>) -> Body {
    let options = node.child(K::FUNC_OPTION_LIST);
    let language = options
        .and_then(|options| options.child(K::LANGUAGE_FUNC_OPTION))
        .or_else(|| node.child(K::DO_LANGUAGE))
        .and_then(|language| language.children().last())
        .map(|language| string(language.text()).unwrap_or_else(|| simple(language)).to_ascii_lowercase());
    let atomic = node.child_of(&[K::ATOMIC_BODY, K::RETURN_STMT]);
    let default = if node.kind() == K::DO { "plpgsql" } else { "sql" };
    let language = language.unwrap_or_else(|| default.to_owned());
    if let Some(atomic) = atomic {
        let statements: Vec<BodyStmt> = atomic.topmost(is_stmt).map(stmt).map(plain).collect();
        let read = BodyRead { statements, ..BodyRead::default() };
        return Body { language, source: None, read: read.into() };
    }
    let definition = match node.kind() {
        K::DO => node.child(K::LITERAL),
        _ => options
            .and_then(|options| options.descendant(K::AS_DEFINITION))
            .and_then(|as_| as_.child(K::LITERAL)),
    };
    let source = definition.map(|literal| BodyText {
        literal: literal.text().to_owned(),
        span: literal.span(),
        depth: literal.depth(),
    });
    Body { language, source, ..Body::default() }
}

/// The result of reading a body.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct BodyRead {
    pub(crate) statements: Vec<BodyStmt>,
    /// Syntax errors.
    pub(crate) errors: Vec<SyntaxError>,
    /// Suppressions, which have no effect in a body, and their rules.
    pub(crate) unused: Vec<(Span, String)>,
}

/// Reads the text of a body.
pub(crate) fn read_body(language: &str, source: &BodyText) -> BodyRead {
    read_with(language, source, &Lower { block: block_statements, file: file_statements })
}

/// Like [`read_body`], for callers that only need the syntax errors: keeps only statements that have a body of their own.
pub(crate) fn skim_body(language: &str, source: &BodyText) -> BodyRead {
    read_with(language, source, &Lower { block: do_statements, file: do_statements })
}

/// How a tree is lowered.
struct Lower {
    block: fn(&Tree<'_>) -> Vec<BodyStmt>,
    file: fn(&Tree<'_>) -> Vec<BodyStmt>,
}

fn read_with(language: &str, source: &BodyText, lower: &Lower) -> BodyRead {
    let entry = match language {
        "plpgsql" => EntryPoint::Plpgsql,
        "sql" => EntryPoint::SourceFile,
        _ => return BodyRead::default(),
    };
    catch_unwind(|| parse(source, entry, lower)).unwrap_or_else(|_| unread(source))
}

fn file_statements(tree: &Tree<'_>) -> Vec<BodyStmt> {
    tree.root().children().filter(|node| is_stmt(node.kind())).map(stmt).map(plain).collect()
}

fn block_statements(tree: &Tree<'_>) -> Vec<BodyStmt> {
    let mut found = Vec::new();
    statements(tree.root(), false, &mut found);
    found
}

fn do_statements(tree: &Tree<'_>) -> Vec<BodyStmt> {
    tree.root().topmost(|kind| kind == K::DO).map(stmt).map(plain).collect()
}

fn plain(stmt: Stmt) -> BodyStmt {
    BodyStmt { stmt, in_loop: false }
}

/// The effect of the string is unknown.
fn unread(source: &BodyText) -> BodyRead {
    let kind = StmtKind::DynamicSql { text: None, statements: Vec::new() };
    BodyRead {
        statements: vec![plain(Stmt { span: source.span, kind, calls: Vec::new() })],
        ..BodyRead::default()
    }
}

/// Parses the text of a literal, and moves the results to its position in the file.
fn parse(literal: &BodyText, entry: EntryPoint, lower: &Lower) -> BodyRead {
    let written = literal.literal.as_str();
    let Some(text) = string(written) else { return unread(literal) };
    let is_body = matches!(entry, EntryPoint::Plpgsql);
    if literal.depth >= DEEPEST || !too_deep(&text, is_body).is_empty() {
        return unread(literal);
    }
    let mut read = match entry {
        EntryPoint::SourceFile => {
            let tree = Tree::parse(&text, entry, literal.depth + 1);
            let errors = errors(&tree, &broken(&tree));
            BodyRead { statements: (lower.file)(&tree), errors, unused: Vec::new() }
        }
        EntryPoint::Plpgsql => block(&text, literal.depth + 1, lower),
    };
    // If the text appears unchanged in the file, positions are exact; if not (because quotes were doubled), the
    // position is that of the literal.
    let shift = written.find(&text).filter(|_| text.len() > 1).map(|at| literal.span.start + at as u32);
    for BodyStmt { stmt, .. } in &mut read.statements {
        move_stmt(stmt, shift, literal.span);
    }
    read.unused = suppressions(&text);
    let unused = read.unused.iter_mut().map(|(span, _)| span);
    for span in read.errors.iter_mut().map(|error| &mut error.span).chain(unused) {
        *span = moved(*span, shift, literal.span);
    }
    read
}

/// The suppressions in the comments of a text.
fn suppressions(text: &str) -> Vec<(Span, String)> {
    if !text.contains("refit") {
        return Vec::new();
    }
    let comments = tokens(text).into_iter().filter(|range| text[range.clone()].starts_with("--"));
    let said = comments.flat_map(|range| {
        let (_, suppressions, _) = front_matter("", &text[range.clone()]);
        let span = Span { start: range.start as u32, end: range.end as u32 };
        suppressions.into_iter().map(move |suppression| (span, suppression.rule))
    });
    said.collect()
}

/// Parses the text of a PL/pgSQL block.
fn block(text: &str, depth: usize, lower: &Lower) -> BodyRead {
    let read = |tree: &Tree<'_>| {
        let errors = errors(tree, &broken(tree));
        BodyRead { statements: (lower.block)(tree), errors, unused: Vec::new() }
    };
    let tree = Tree::parse(text, EntryPoint::Plpgsql, depth);
    // The parser does not support INTO: a statement with one looks broken to it.
    let into: Vec<Span> = broken(&tree)
        .into_iter()
        .filter_map(|span| targets(&text[span.start as usize..span.end as usize], span.start))
        .collect();
    match into.is_empty() {
        true => read(&tree),
        false => read(&Tree::parse(&without(text, &into), EntryPoint::Plpgsql, depth)),
    }
}

/// The parts of a text that do not parse.
fn broken(tree: &Tree<'_>) -> Vec<Span> {
    if tree.errors.is_empty() {
        return Vec::new();
    }
    tree.root().topmost(|kind| kind == K::ERROR).map(NodeRef::span).collect()
}

/// Statements of a PL/pgSQL block, at any depth.
fn statements(node: NodeRef<'_>, in_loop: bool, found: &mut Vec<BodyStmt>) {
    for child in node.children() {
        let looping = in_loop
            || matches!(
                child.kind(),
                K::PLPGSQL_LOOP_STMT
                    | K::PLPGSQL_WHILE_STMT
                    | K::PLPGSQL_FOR_I_STMT
                    | K::PLPGSQL_FOR_QUERY_STMT
                    | K::PLPGSQL_FOR_DYN_STMT
                    | K::PLPGSQL_FOR_CURSOR_STMT
            );
        let mut push = |stmt: Stmt| found.push(BodyStmt { stmt, in_loop: looping });
        match child.kind() {
            K::PLPGSQL_DYN_EXECUTE_STMT | K::PLPGSQL_FOR_DYN_STMT | K::PLPGSQL_RETURN_QUERY_EXECUTE_STMT => {
                push(dynamic(child));
                statements(child, looping, found);
            }
            K::PLPGSQL_COMMIT_STMT | K::PLPGSQL_ROLLBACK_STMT => {
                let kind = StmtKind::Transaction(child.first_words(1));
                push(Stmt { span: child.span(), kind, calls: Vec::new() });
            }
            kind if is_stmt(kind) => push(stmt(child)),
            K::PLPGSQL_EXPR => {
                // A condition or value: only its calls and queries count.
                let kind = StmtKind::Select(query(child, 0));
                push(Stmt { span: child.span(), kind, calls: calls(child) });
            }
            _ if !child.is_token() => statements(child, looping, found),
            _ => {}
        }
    }
}

fn dynamic(node: NodeRef<'_>) -> Stmt {
    let text = node.child(K::PLPGSQL_EXPR).and_then(|value| match query(value, 0).columns.first() {
        Some(Expr::Literal(Literal::String(text))) => Some(text.clone()),
        _ => None,
    });
    let text = text.filter(|text| node.depth() < DEEPEST && too_deep(text, false).is_empty());
    let mut inner = Vec::new();
    if let Some(text) = &text {
        let tree = Tree::parse(text, EntryPoint::SourceFile, node.depth() + 1);
        inner.extend(tree.root().children().filter(|node| is_stmt(node.kind())).map(stmt));
        if !tree.errors.is_empty() {
            // The effect of the rest of the string is unknown.
            let kind = StmtKind::DynamicSql { text: Some(text.clone()), statements: Vec::new() };
            inner.push(Stmt { span: node.span(), kind, calls: Vec::new() });
        }
        for stmt in &mut inner {
            move_stmt(stmt, None, node.span());
        }
    }
    let kind = StmtKind::DynamicSql { text, statements: inner };
    Stmt { span: node.span(), kind, calls: Vec::new() }
}

fn moved(span: Span, shift: Option<u32>, whole: Span) -> Span {
    match shift {
        Some(shift) => Span { start: span.start + shift, end: span.end + shift },
        None => whole,
    }
}

/// Moves a separately parsed statement to its position in the file. Spans inside expressions are not moved: no rule
/// reports at those of a body.
fn move_stmt(stmt: &mut Stmt, shift: Option<u32>, whole: Span) {
    let moved = |span: Span| moved(span, shift, whole);
    stmt.span = moved(stmt.span);
    match &mut stmt.kind {
        StmtKind::Dml(dml) => {
            dml.span = moved(dml.span);
            mark(dml);
        }
        StmtKind::Select(query) => mark_with(&mut query.ctes),
        StmtKind::Copy { source: Some(source), .. } => match &mut **source {
            StmtKind::Dml(dml) => mark(dml),
            StmtKind::Select(query) => mark_with(&mut query.ctes),
            _ => {}
        },
        StmtKind::DynamicSql { statements, .. } => {
            statements.iter_mut().for_each(|inner| inner.span = stmt.span);
        }
        StmtKind::Alter { actions, .. } => actions.iter_mut().for_each(|(span, _)| *span = moved(*span)),
        _ => {}
    }
}

/// Marks a change, and those in its WITH, as being in a body.
fn mark(dml: &mut Dml) {
    dml.in_body = true;
    mark_with(&mut dml.ctes);
}

fn mark_with(ctes: &mut [Cte]) {
    ctes.iter_mut().filter_map(|cte| cte.dml.as_deref_mut()).for_each(mark);
}

#[cfg(test)]
mod tests {
    use crate::parser::{SyntaxError, parse};
    use crate::sql::{Body, StmtKind};

    #[test]
    fn what_the_server_takes_is_no_error() {
        let text = include_str!("bodies.sql");
        let parsed = parse(text);
        assert_eq!(parsed.errors, []);
        let mut errors = Vec::new();
        for stmt in &parsed.stmts {
            let body: &Body = match &stmt.kind {
                StmtKind::Do(body) => body,
                StmtKind::CreateRoutine { body, .. } => body,
                other => panic!("{other:?}"),
            };
            for SyntaxError { span, message, .. } in body.faults(false).errors {
                errors.push(format!(
                    "{message}: {}",
                    &text[span.start as usize..][..60.min(text.len() - span.start as usize)]
                ));
            }
        }
        assert!(errors.is_empty(), "\n{}", errors.join("\n"));
    }
}
