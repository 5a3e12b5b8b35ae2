//! Files of queries that are introduced by names: `-- check: name { … }`, `-- budget: name { … }`.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use toml::de::ValueDeserializer;

use crate::problem::{Problem, no_statement};
use crate::statement::{Statement, first_token, statements_of};
use crate::text::{LineIndex, Position};

/// What a kind of file is called in its headers and its errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// The word in headers and messages.
    pub(crate) noun: &'static str,
    /// A name, for fixes.
    pub(crate) example: &'static str,
    /// All options, for fixes.
    pub(crate) options: &'static str,
    /// What the query does, for the fix of a statement that is none.
    pub(crate) query: &'static str,
}

/// A query with its name and its options.
#[derive(Debug)]
pub(crate) struct NamedQuery<'t, O> {
    pub(crate) name: String,
    pub(crate) options: O,
    pub(crate) query: Statement<'t>,
    /// Where the query begins.
    pub(crate) position: Position,
}

/// A header: `-- check: name { … }`.
struct Header<O> {
    offset: usize,
    name: String,
    options: O,
}

/// Reads the queries of a file. A file with one query and no header has one query, called `unnamed`.
///
/// # Errors
/// Every problem of the file, each with its position.
pub(crate) fn named_queries<'t, O: DeserializeOwned + Default>(
    kind: Kind,
    path: &str,
    text: &'t str,
    unnamed: &str,
) -> Result<Vec<NamedQuery<'t, O>>, Vec<Problem>> {
    let statements = statements_of(path, text).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let headers = headers::<O>(kind, path, text, &statements, &mut problems);
    let noun = kind.noun;
    let lines = LineIndex::new(text);
    let at = |offset: usize| lines.position(offset);
    let header_fix = format!("introduce it with a name: `-- {noun}: name`");
    if headers.is_empty() && problems.is_empty() {
        if statements.is_empty() {
            return Err(vec![no_statement(path)]);
        }
        if statements.len() != 1 {
            let message = format!("the file has {} queries without names", statements.len());
            let second = statements.get(1).map_or(0, |one| one.offset);
            let fix = format!("introduce each query with its name: `-- {noun}: name`");
            return Err(vec![Problem::new(path, message, fix).at(at(second))]);
        }
    } else if let (Some(first), Some(header)) = (statements.first(), headers.first())
        && first.offset < header.offset
    {
        problems.push(Problem::new(path, "this query has no name", header_fix).at(at(first.offset)));
    }
    let named = match headers.is_empty() {
        true => vec![Header { offset: 0, name: unnamed.to_owned(), options: O::default() }],
        false => headers,
    };
    let ends: Vec<usize> = named.iter().skip(1).map(|header| header.offset).chain([text.len()]).collect();
    let mut names = BTreeSet::new();
    let mut queries = Vec::new();
    let mut statements = statements.into_iter().peekable();
    for (header, end) in named.into_iter().zip(ends) {
        if !names.insert(header.name.clone()) {
            let message = format!("a second {noun} is called `{}`", header.name);
            problems.push(Problem::new(path, message, "give it another name").at(at(header.offset)));
        }
        while statements.next_if(|one| one.offset < header.offset).is_some() {}
        let own = std::iter::from_fn(|| statements.next_if(|one| one.offset < end));
        let mut own = own.collect::<Vec<_>>().into_iter();
        let (query, second) = (own.next(), own.next());
        if let Some(second) = second {
            let message = format!("the {noun} `{}` has more than one query", header.name);
            let fix = format!("give the second one a name of its own: `-- {noun}: name`");
            problems.push(Problem::new(path, message, fix).at(at(second.offset)));
            continue;
        }
        match query {
            Some(query) if is_query(&query) => {
                let position = at(query.offset);
                queries.push(NamedQuery { name: header.name, options: header.options, query, position });
            }
            Some(query) => {
                let message = format!("the {noun} `{}` is not a query", header.name);
                problems.push(Problem::new(path, message, kind.query).at(at(query.offset)));
            }
            None => {
                let message = format!("the {noun} `{}` has no query", header.name);
                problems.push(Problem::new(path, message, "write its query below").at(at(header.offset)));
            }
        }
    }
    if problems.is_empty() { Ok(queries) } else { Err(problems) }
}

fn is_query(statement: &Statement<'_>) -> bool {
    let first = first_token(statement.text).unwrap_or_default();
    ["SELECT", "WITH", "VALUES", "TABLE", "("].iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// The headers outside of statements, in order.
fn headers<O: DeserializeOwned + Default>(
    kind: Kind,
    path: &str,
    text: &str,
    statements: &[Statement<'_>],
    problems: &mut Vec<Problem>,
) -> Vec<Header<O>> {
    let inside = |offset: usize| {
        let before = statements.partition_point(|one| one.offset <= offset);
        let last = before.checked_sub(1).and_then(|last| statements.get(last));
        last.is_some_and(|one| offset < one.offset + one.text.len())
    };
    let mut headers = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let begin = offset + (line.len() - line.trim_start().len());
        offset += line.len();
        let Some(comment) = line.trim().strip_prefix("--").map(str::trim_start) else { continue };
        let rest = comment.strip_prefix(kind.noun).and_then(|rest| rest.strip_prefix(':'));
        let Some(rest) = rest.filter(|_| !inside(begin)) else { continue };
        match header(kind, rest.trim()) {
            Ok((name, options)) => headers.push(Header { offset: begin, name, options }),
            Err((message, fix)) => {
                problems.push(Problem::new(path, message, fix).at(Position::of(text, begin)));
            }
        }
    }
    headers
}

/// Name and options of a header. The error is a message and a fix.
fn header<O: DeserializeOwned + Default>(kind: Kind, text: &str) -> Result<(String, O), (String, String)> {
    let (name, table) = match text.find('{') {
        Some(brace) => text.split_at(brace),
        None => (text, ""),
    };
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(is_name) {
        let fix = format!("letters, digits, `_` and `-`: `-- {}: {}`", kind.noun, kind.example);
        return Err((format!("`{name}` is not the name of a {}", kind.noun), fix));
    }
    if table.is_empty() {
        return Ok((name.to_owned(), O::default()));
    }
    let options = ValueDeserializer::parse(table).and_then(O::deserialize).map_err(|error| {
        let message = format!("the options of `{name}` cannot be read: {}", error.message());
        (message, format!("`{}`", kind.options))
    })?;
    Ok((name.to_owned(), options))
}
