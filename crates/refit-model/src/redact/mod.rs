//! Replaces passwords and other secrets in SQL and in texts about it before they are shown or stored.
//!
//! [`Secrets::of`] reads the SQL that was run and remembers its secrets, so that they are recognized in any message of
//! the server about it. [`text`] works on any text alone, such as the query of another session. If in doubt, both hide
//! more rather than less.

mod insert;
mod literal;
mod names;
mod prose;
mod row;
mod sql;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

/// Replaces a secret of any length.
pub const MASK: &str = "********";

/// The secrets of an SQL text.
///
/// ```
/// let sql = "CREATE ROLE reader LOGIN PASSWORD 'hunter2' NOSUCHOPTION";
/// let secrets = refit_model::redact::Secrets::of(sql);
/// assert_eq!(secrets.source(sql), "CREATE ROLE reader LOGIN PASSWORD '********' NOSUCHOPTION");
/// assert_eq!(secrets.redact("no role with hunter2"), "no role with ********");
/// ```
#[derive(Clone, Default)]
pub struct Secrets {
    /// Their ranges in bytes, in order.
    spans: Vec<Range<usize>>,
    /// Their texts, as written and as values, the longest first.
    values: Vec<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.spans.len())
    }
}

impl Secrets {
    /// Finds the secrets of SQL: literals after `PASSWORD` and similar names, in connection strings and URLs, in
    /// dynamic SQL and `DO` blocks, with any kind of quotes, terminated or not.
    pub fn of(sql: &str) -> Secrets {
        let mut values = BTreeSet::new();
        let spans = sql::secrets(sql, 0, &mut values);
        for span in &spans {
            values.insert(sql[span.clone()].to_owned());
        }
        let mut all: Vec<String> = values.iter().flat_map(|value| forms(value)).collect();
        all.retain(|value| !value.trim().is_empty() && value != MASK);
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Secrets { spans, values: all }
    }

    /// The text that the secrets come from, with each replaced.
    pub fn source(&self, sql: &str) -> String {
        blank(sql, &self.spans)
    }

    /// Like [`Secrets::source`], but with the same number of bytes, so that offsets stay valid, for excerpts of the
    /// user's own file.
    pub fn masked(&self, sql: &str) -> String {
        let mut out = String::with_capacity(sql.len());
        let mut end = 0;
        for span in &self.spans {
            out.push_str(&sql[end..span.start]);
            out.extend(sql[span.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }));
            end = span.end;
        }
        out.push_str(&sql[end..]);
        out
    }

    /// One line of that text (`line` counts from 1) with its secrets replaced, and the new column, from 1, of the
    /// character at `column` in the original line.
    pub fn line(&self, sql: &str, line: usize, column: usize) -> Option<(String, usize)> {
        let text = sql.lines().nth(line.checked_sub(1)?)?;
        let start = sql.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
        let spans: Vec<Range<usize>> = self
            .spans
            .iter()
            .filter_map(|span| {
                let (from, to) = (span.start.max(start), span.end.min(start + text.len()));
                (from < to).then(|| from - start..to - start)
            })
            .collect();
        let byte = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(byte, _)| byte);
        let until = match spans.iter().find(|span| span.contains(&byte)) {
            Some(span) => span.start,
            None => byte,
        };
        let before: Vec<Range<usize>> = spans.iter().filter(|span| span.end <= until).cloned().collect();
        let column = blank(&text[..until], &before).chars().count() + 1;
        Some((blank(text, &spans), column))
    }

    /// Any text about that SQL, with every occurrence of a secret replaced, and everything that [`text`] replaces.
    pub fn redact(&self, message: &str) -> String {
        let mut spans = prose::spans(message, true);
        sql_like(message, &mut spans);
        for value in &self.values {
            // A short secret is replaced only as a whole word; otherwise words would lose letters.
            let is_long = value.chars().count() >= 6;
            for (start, _) in message.match_indices(value.as_str()) {
                let end = start + value.len();
                let before = message[..start].chars().next_back().is_some_and(char::is_alphanumeric);
                let after = message[end..].chars().next().is_some_and(char::is_alphanumeric);
                if is_long || !(before || after) {
                    spans.push(start..end);
                }
            }
        }
        blank(message, &merged(spans))
    }

    /// Whether there are no secrets.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

/// A text of unknown origin, such as a query of another session, possibly truncated, with apparent secrets replaced.
pub fn text(text: &str) -> Cow<'_, str> {
    let mut spans = prose::spans(text, true);
    sql_like(text, &mut spans);
    if spans.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(blank(text, &merged(spans))) }
}

/// The detail of a failure, with [`text`] applied, and with the row hidden if a constraint has rejected one.
///
/// ```
/// let detail = refit_model::redact::detail("23514", "Failing row contains (17, ann, x).");
/// assert_eq!(detail, "Failing row contains (17, ********).");
/// ```
pub fn detail(sqlstate: &str, detail: &str) -> String {
    match row::failing(sqlstate, detail) {
        Some(row) => text(&blank(detail, &[row])).into_owned(),
        None => text(detail).into_owned(),
    }
}

/// The context of a failure, with [`text`] applied, and with the lines hidden that COPY has read from a file.
///
/// ```
/// let context = refit_model::redact::context("COPY users, line 1: \"ann,x\"");
/// assert_eq!(context, "COPY users, line 1: \"********\"");
/// ```
pub fn context(context: &str) -> String {
    let line = |line: &str| match (line.starts_with("COPY "), line.find(": \""), line.rfind('"')) {
        (true, Some(open), Some(close)) if open + 3 <= close => {
            blank(line, std::slice::from_ref(&(open + 3..close)))
        }
        _ => line.to_owned(),
    };
    let lines: Vec<String> = context.split('\n').map(line).collect();
    text(&lines.join("\n")).into_owned()
}

/// The findings of [`text`] in the tokens of a text that may be SQL.
fn sql_like(text: &str, spans: &mut Vec<Range<usize>>) {
    spans.extend(sql::secrets(text, 0, &mut BTreeSet::new()));
}

/// The forms in which the server may repeat a secret.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned(), value.replace("''", "'"), value.replace('\'', "''")];
    // An unquoted secret is split into tokens, identifiers among them folded, and reported token by token.
    if !value.contains(char::is_whitespace) && value.len() <= 128 {
        forms.push(value.to_lowercase());
        let parts = value.split(|c: char| !c.is_alphanumeric() && c != '_');
        forms.extend(parts.filter(|part| part.chars().count() >= 4).map(str::to_owned));
    }
    // The server shows only one line, or the beginning, of a long text.
    let lines = value.lines().filter(|line| line.trim().chars().count() >= 6);
    forms.extend(lines.map(|line| line.trim().to_owned()));
    forms
}

/// Spans in order, with adjacent ones merged.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.retain(|span| !span.is_empty());
    spans.sort_by_key(|span| (span.start, span.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

fn blank(text: &str, spans: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for span in spans {
        out.push_str(&text[end..span.start]);
        out.push_str(MASK);
        end = span.end;
    }
    out.push_str(&text[end..]);
    out
}

#[cfg(test)]
mod tests;
