//! Secrets in the rows of an INSERT: values of a column with a telling name.

use std::collections::HashMap;

use squawk_lexer::TokenKind;

use super::names;
use super::sql::Sql;

/// Marks the literals of `INSERT INTO t (name, password) VALUES ('a', 'x'), …`.
pub(super) fn rows(sql: &mut Sql<'_>) {
    let mut created = None;
    for index in 0..sql.tokens.len() {
        if sql.is(index, "insert") && sql.is(index + 1, "into") {
            row(sql, index + 2, &mut created);
        }
    }
}

/// The tables that a text creates, folded, and which of their columns hold secrets; computed once.
type Created = Option<HashMap<String, Vec<bool>>>;

fn row(sql: &mut Sql<'_>, from: usize, created: &mut Created) {
    let mut index = from;
    // The table's name, and an alias.
    while index < sql.tokens.len() && !begins_rows(sql, index) {
        index += 1;
    }
    let is_list = sql.is(index, "(") && sql.name(index + 1).is_some() && !is_query(sql, index + 1);
    let listed;
    let (secret, all, from) = if is_list {
        let (secret, from) = names_of(sql, index + 1);
        listed = secret;
        (&listed, false, from)
    } else {
        let Some(table) = table(sql, from, index) else { return };
        let created = created.get_or_insert_with(|| created_by(sql));
        listed = Vec::new();
        match created.get(&table.to_lowercase()) {
            Some(columns) => (columns, false, index),
            None => (&listed, names::has_secrets(table), index),
        }
    };
    if !all && !secret.contains(&true) {
        return;
    }
    let (mut depth, mut column) = (0usize, 0usize);
    for index in from..sql.tokens.len() {
        match sql.tokens[index].kind {
            TokenKind::Semi => return,
            TokenKind::OpenParen => {
                depth += 1;
                column = if depth == 1 { 0 } else { column };
            }
            TokenKind::CloseParen => depth = depth.saturating_sub(1),
            TokenKind::Comma if depth <= 1 => column += 1,
            // INSERT … SELECT has its values outside parentheses.
            TokenKind::Ident if sql.is(index, "select") && depth <= 1 => column = 0,
            _ if all || secret.get(column) == Some(&true) => sql.mark(index),
            _ => {}
        }
    }
}

fn is_query(sql: &Sql<'_>, index: usize) -> bool {
    ["select", "values", "with", "table"].iter().any(|word| sql.is(index, word))
}

fn begins_rows(sql: &Sql<'_>, index: usize) -> bool {
    sql.is(index, "(") || sql.is(index, ";") || is_query(sql, index) || sql.is(index, "overriding")
}

/// Which names of a parenthesized list are those of secrets, and the index after it; no names if it is not such a list.
fn names_of(sql: &Sql<'_>, from: usize) -> (Vec<bool>, usize) {
    let (mut secret, mut index) = (Vec::new(), from);
    while let Some(name) = sql.name(index) {
        secret.push(names::is_secret(name));
        index += 1;
        if !sql.is(index, ",") {
            break;
        }
        index += 1;
    }
    if sql.is(index, ")") { (secret, index + 1) } else { (Vec::new(), index) }
}

/// The tables that the text creates.
fn created_by(sql: &Sql<'_>) -> HashMap<String, Vec<bool>> {
    let mut created = HashMap::new();
    for index in 0..sql.tokens.len() {
        // TEMP, UNLOGGED and the like may come between.
        let is_create = (1..=3).any(|back| index.checked_sub(back).is_some_and(|at| sql.is(at, "create")));
        if !(sql.is(index, "table") && is_create) {
            continue;
        }
        let at = if sql.is(index + 1, "if") { index + 4 } else { index + 1 };
        // A name has at most three parts.
        let end = (at..sql.tokens.len().min(at + 6)).find(|at| sql.is(*at, "("));
        if let Some((name, end)) = end.and_then(|end| Some((table(sql, at, end)?, end))) {
            created.insert(name.to_lowercase(), columns(sql, end + 1));
        }
    }
    created
}

/// A name, the last part of a qualified one.
fn table<'t>(sql: &Sql<'t>, from: usize, to: usize) -> Option<&'t str> {
    let mut index = from;
    while index + 2 < to && sql.is(index + 1, ".") {
        index += 2;
    }
    sql.name(index).filter(|_| index < to)
}

/// Which columns of a CREATE TABLE hold secrets.
fn columns(sql: &Sql<'_>, from: usize) -> Vec<bool> {
    let (mut secret, mut depth, mut begins) = (Vec::new(), 1usize, true);
    for index in from..sql.tokens.len() {
        if std::mem::take(&mut begins) {
            let constraint = ["constraint", "primary", "unique", "check", "foreign", "exclude", "like"];
            if !constraint.iter().any(|word| sql.is(index, word)) {
                secret.push(sql.name(index).is_some_and(names::is_secret));
            }
        }
        match sql.tokens[index].kind {
            TokenKind::OpenParen => depth += 1,
            TokenKind::CloseParen if depth == 1 => break,
            TokenKind::CloseParen => depth -= 1,
            TokenKind::Comma => begins = depth == 1,
            _ => {}
        }
    }
    secret
}
