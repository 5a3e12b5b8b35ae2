//! Secrets among the rows of an INSERT: values of a column whose name says so.

use squawk_lexer::TokenKind;

use super::names;
use super::sql::Sql;

/// Marks the literals of `INSERT INTO t (name, password) VALUES ('a', 'x'), …`.
pub(super) fn rows(sql: &mut Sql<'_>) {
    for index in 0..sql.tokens.len() {
        if sql.is(index, "insert") && sql.is(index + 1, "into") {
            row(sql, index + 2);
        }
    }
}

fn row(sql: &mut Sql<'_>, from: usize) {
    let mut index = from;
    // The table's name, and an alias.
    while index < sql.tokens.len() && !sql.is(index, "(") && !sql.is(index, ";") {
        index += 1;
    }
    let mut secret = Vec::new();
    index += 1;
    while let Some(name) = sql.name(index) {
        secret.push(names::is_secret(name));
        index += 1;
        if !sql.is(index, ",") {
            break;
        }
        index += 1;
    }
    if !sql.is(index, ")") || !secret.contains(&true) {
        return;
    }
    let (mut depth, mut column) = (0usize, 0usize);
    for index in index + 1..sql.tokens.len() {
        match sql.tokens[index].kind {
            TokenKind::Semi => return,
            TokenKind::OpenParen => {
                depth += 1;
                column = if depth == 1 { 0 } else { column };
            }
            TokenKind::CloseParen => depth = depth.saturating_sub(1),
            TokenKind::Comma if depth <= 1 => column += 1,
            // INSERT … SELECT has its values outside of parentheses.
            TokenKind::Ident if sql.is(index, "select") && depth <= 1 => column = 0,
            _ if secret.get(column) == Some(&true) => sql.mark(index),
            _ => {}
        }
    }
}
