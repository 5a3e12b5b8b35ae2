//! Bodies: DO blocks, functions, procedures, and EXECUTE of constant strings inside them.

use squawk_parser::{EntryPoint, SyntaxKind as K};

use super::names::{simple, string};
use super::nesting::too_deep;
use super::query::query;
use super::stmt::{is_stmt, stmt};
use super::tree::{NodeRef, Tree};
use crate::sql::{Body, BodyStmt, BodyText, Cte, Dml, Expr, Literal, Span, Stmt, StmtKind};

/// Bodies inside of bodies are read this deep.
const DEEPEST: usize = 8;

/// The body of a DO block or routine node.
pub(super) fn body(node: NodeRef<'_>) -> Body {
    let options = node.child(K::FUNC_OPTION_LIST);
    let language = options
        .and_then(|options| options.child(K::LANGUAGE_FUNC_OPTION))
        .or_else(|| node.child(K::DO_LANGUAGE))
        .and_then(|language| language.children().last())
        .map(|language| string(language.text()).unwrap_or_else(|| simple(language)).to_lowercase());
    let atomic = node.child_of(&[K::ATOMIC_BODY, K::RETURN_STMT]);
    let default = if node.kind() == K::DO { "plpgsql" } else { "sql" };
    let language = language.unwrap_or_else(|| default.to_owned());
    if let Some(atomic) = atomic {
        let statements: Vec<BodyStmt> = atomic.topmost(is_stmt).map(stmt).map(plain).collect();
        return Body { language, source: None, statements: statements.into() };
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

/// The statements of a body.
pub(crate) fn read_body(language: &str, source: &BodyText) -> Vec<BodyStmt> {
    match language {
        "plpgsql" => parse(source, EntryPoint::Plpgsql),
        "sql" => parse(source, EntryPoint::SourceFile),
        _ => Vec::new(),
    }
}

fn plain(stmt: Stmt) -> BodyStmt {
    BodyStmt { stmt, in_loop: false }
}

/// Parses the text of a literal, and moves what is found to its place in the file.
fn parse(literal: &BodyText, entry: EntryPoint) -> Vec<BodyStmt> {
    let written = literal.literal.as_str();
    let Some(text) = string(written) else { return Vec::new() };
    let is_body = matches!(entry, EntryPoint::Plpgsql);
    if literal.depth >= DEEPEST || !too_deep(&text, is_body).is_empty() {
        let unread = StmtKind::DynamicSql { text: None, statements: Vec::new() };
        return vec![plain(Stmt { span: literal.span, kind: unread })];
    }
    // Where the text stands as it is, places can be told; where quotes were doubled, the literal as a whole is the place.
    let shift = written.find(&text).filter(|_| text.len() > 1).map(|at| literal.span.start + at as u32);
    let tree = Tree::parse(&text, entry, literal.depth + 1);
    let mut found = Vec::new();
    match entry {
        EntryPoint::SourceFile => {
            found.extend(tree.root().children().filter(|node| is_stmt(node.kind())).map(stmt).map(plain));
        }
        EntryPoint::Plpgsql => statements(tree.root(), false, &mut found),
    }
    for BodyStmt { stmt, .. } in &mut found {
        move_stmt(stmt, shift, literal.span);
    }
    found
}

/// Statements of a PL/pgSQL block, however deep.
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
            K::PLPGSQL_DYN_EXECUTE_STMT => push(dynamic(child)),
            K::PLPGSQL_FOR_DYN_STMT | K::PLPGSQL_RETURN_QUERY_EXECUTE_STMT => {
                push(dynamic(child));
                statements(child, looping, found);
            }
            K::PLPGSQL_COMMIT_STMT | K::PLPGSQL_ROLLBACK_STMT => {
                push(Stmt { span: child.span(), kind: StmtKind::Transaction(child.first_words(1)) });
            }
            kind if is_stmt(kind) => push(stmt(child)),
            K::PLPGSQL_EXPR => {
                // A condition or value: only what it calls or asks for counts.
                push(Stmt { span: child.span(), kind: StmtKind::Select(query(child, 0)) });
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
        for stmt in &mut inner {
            move_stmt(stmt, None, node.span());
        }
    }
    Stmt { span: node.span(), kind: StmtKind::DynamicSql { text, statements: inner } }
}

/// Moves a statement that was parsed by itself to its place in the file. The spans inside expressions stay: no rule
/// reports at those of a body.
fn move_stmt(stmt: &mut Stmt, shift: Option<u32>, whole: Span) {
    let moved = |span: Span| match shift {
        Some(shift) => Span { start: span.start + shift, end: span.end + shift },
        None => whole,
    };
    stmt.span = moved(stmt.span);
    match &mut stmt.kind {
        StmtKind::Dml(dml) => {
            dml.span = moved(dml.span);
            mark(dml);
        }
        StmtKind::Select(query) => mark_with(&mut query.ctes),
        StmtKind::DynamicSql { statements, .. } => {
            statements.iter_mut().for_each(|inner| inner.span = stmt.span);
        }
        StmtKind::Alter { actions, .. } => actions.iter_mut().for_each(|(span, _)| *span = moved(*span)),
        _ => {}
    }
}

/// Says of a change, and of those in its WITH, that they are in a body.
fn mark(dml: &mut Dml) {
    dml.in_body = true;
    mark_with(&mut dml.ctes);
}

fn mark_with(ctes: &mut [Cte]) {
    ctes.iter_mut().filter_map(|cte| cte.dml.as_deref_mut()).for_each(mark);
}
