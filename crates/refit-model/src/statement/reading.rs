//! Reads a text as the server does, and finds settings with which the server would read it differently.
//!
//! Invariant: if this module and the server disagree about the end of a string, a COMMIT that looks like part of a
//! string could split a step. Settings that make them disagree are refused before anything runs.

use squawk_lexer::{LiteralKind, TokenKind, tokenize};

use super::Statement;

/// A token and its range.
#[derive(Clone, Copy)]
pub(crate) struct Lexeme {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Lexeme {
    /// Whether it is space or a comment.
    pub(super) fn is_trivia(self) -> bool {
        matches!(self.kind, TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. })
    }
}

/// The tokens of a text.
pub(crate) fn lexemes(text: &str) -> impl Iterator<Item = Lexeme> + '_ {
    let mut tokens = tokenize(text);
    let mut offset = 0;
    let mut continued = Continued::No;
    std::iter::from_fn(move || {
        let token = tokens.next().filter(|token| !matches!(token.kind, TokenKind::Eof))?;
        let start = offset;
        let mut lexeme = Lexeme { kind: token.kind, start, end: start + token.len as usize };
        if continued == Continued::OnNewLine
            && matches!(token.kind, TokenKind::Literal { kind: LiteralKind::Str { .. } })
        {
            // `E'…'` continues on the next line: what looks like an ordinary string has escapes too.
            let (end, terminated) = end_of_escaped(text, start + 1);
            lexeme =
                Lexeme { kind: TokenKind::Literal { kind: LiteralKind::EscStr { terminated } }, start, end };
            tokens = tokenize(&text[end..]);
        }
        continued = continued.after(lexeme.kind, &text[lexeme.start..lexeme.end]);
        offset = lexeme.end;
        Some(lexeme)
    })
}

/// Whether an `E'…'` string comes before, with only space and line comments in between.
#[derive(Clone, Copy, PartialEq)]
enum Continued {
    No,
    OnSameLine,
    OnNewLine,
}

impl Continued {
    fn after(self, kind: TokenKind, text: &str) -> Continued {
        match kind {
            TokenKind::Literal { kind: LiteralKind::EscStr { terminated: true } } => Continued::OnSameLine,
            TokenKind::Whitespace if self != Continued::No && text.contains(['\n', '\r']) => {
                Continued::OnNewLine
            }
            TokenKind::Whitespace | TokenKind::LineComment => self,
            _ => Continued::No,
        }
    }
}

/// The end of a string with escapes, given the start of its text, and whether it is terminated.
fn end_of_escaped(text: &str, from: usize) -> (usize, bool) {
    let mut characters = text[from..].char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
            }
            '\'' => return (from + at + 1, true),
            _ => {}
        }
    }
    (text.len(), false)
}

impl Statement<'_> {
    /// The problem and its fix, if the statement changes a setting with which the server would read later statements
    /// differently from how they were split.
    pub fn changes_reading(&self) -> Option<(&'static str, &'static str)> {
        let tokens = super::significant_tokens(self.text);
        if let Some(found) = set_statement(&tokens).or_else(|| set_config(&tokens)) {
            return Some(found);
        }
        let is_block = tokens.first().is_some_and(|first| first.eq_ignore_ascii_case("DO"));
        let bodies = tokens.iter().filter(|_| is_block).filter_map(|token| body(token));
        bodies.into_iter().find_map(|body| {
            super::split_statements(&body).iter().find_map(|statement| {
                let tokens = super::significant_tokens(statement.text);
                // A statement may follow BEGIN or THEN without a semicolon in between.
                (0..tokens.len()).find_map(|at| set_statement(&tokens[at..])).or_else(|| set_config(&tokens))
            })
        })
    }
}

/// The text in the string of a DO.
fn body(token: &str) -> Option<String> {
    if let Some(end) = token.strip_prefix('$').and_then(|rest| rest.find('$')) {
        let tag = &token[..end + 2];
        return Some(token.strip_prefix(tag)?.strip_suffix(tag)?.to_owned());
    }
    Some(token.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}

/// `SET [SESSION | LOCAL] setting {TO | =} value`, `SET NAMES value`, `RESET setting`.
fn set_statement(tokens: &[&str]) -> Option<(&'static str, &'static str)> {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.eq_ignore_ascii_case(word));
    if is(0, "RESET") {
        return refused(&crate::identifier_name(tokens.get(1)?), "default");
    }
    if !is(0, "SET") {
        return None;
    }
    let at = if is(1, "SESSION") || is(1, "LOCAL") { 2 } else { 1 };
    if is(at, "NAMES") {
        return refused("client_encoding", tokens.get(at + 1).copied().unwrap_or("default"));
    }
    let assigns = is(at + 1, "=") || is(at + 1, "TO");
    assigns.then_some(())?;
    refused(&crate::identifier_name(tokens.get(at)?), tokens.get(at + 2)?)
}

/// `set_config('setting', 'value', …)`, at any position.
fn set_config(tokens: &[&str]) -> Option<(&'static str, &'static str)> {
    tokens.windows(5).find_map(|window| {
        let [name, open, setting, comma, value] = window else { return None };
        let called = crate::identifier_name(name) == "set_config" && *open == "(" && *comma == ",";
        called.then_some(())?;
        refused(&unquoted(setting).to_ascii_lowercase(), value)
    })
}

fn unquoted(literal: &str) -> &str {
    let literal = literal.strip_prefix(['e', 'E']).filter(|rest| rest.starts_with('\'')).unwrap_or(literal);
    literal.trim_matches(['\'', '"'])
}

fn refused(setting: &str, value: &str) -> Option<(&'static str, &'static str)> {
    let value = unquoted(value).to_ascii_lowercase();
    match setting {
        // The value after a reset depends on role and database.
        "standard_conforming_strings"
            if !matches!(value.as_str(), "on" | "true" | "yes" | "1" | "t" | "y") =>
        {
            Some((
                "standard_conforming_strings must stay on: without it, a backslash could hide where a string ends",
                "write strings with backslash escapes as E'…'",
            ))
        }
        "client_encoding" if !matches!(value.as_str(), "utf8" | "utf-8" | "unicode" | "default") => Some((
            "client_encoding must stay UTF8, the encoding in which migrations are sent",
            "save the file as UTF-8 and remove the statement",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::split_statements;

    fn texts(sql: &str) -> Vec<&str> {
        split_statements(sql).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn a_string_with_escapes_continues_in_the_next_line() {
        let hides = "SELECT E'a' -- x\n 'b\\' || ' ; COMMIT; --'";
        assert_eq!(texts(hides), ["SELECT E'a' -- x\n 'b\\' || '", "COMMIT"]);
        // It continues neither on the same line nor after another token.
        assert_eq!(texts("SELECT E'a' 'b\\'; COMMIT"), ["SELECT E'a' 'b\\'", "COMMIT"]);
        assert_eq!(texts("SELECT E'a',\n'b\\'; COMMIT"), ["SELECT E'a',\n'b\\'", "COMMIT"]);
        assert_eq!(texts("SELECT 'a'\n'b\\'; COMMIT"), ["SELECT 'a'\n'b\\'", "COMMIT"]);
        assert_eq!(texts("SELECT E'a'\n'b\\'' ; COMMIT"), ["SELECT E'a'\n'b\\''", "COMMIT"]);
        assert_eq!(texts("SELECT E'a'\n'b'\n'\\'' ; COMMIT"), ["SELECT E'a'\n'b'\n'\\''", "COMMIT"]);
    }

    #[test]
    fn settings_that_change_how_strings_are_read_are_found() {
        let changes = |sql: &str| split_statements(sql).iter().any(|s| s.changes_reading().is_some());
        for sql in [
            "SET standard_conforming_strings = off",
            "set local \"standard_conforming_strings\" to 'OFF'",
            "SET SESSION Standard_Conforming_Strings TO DEFAULT",
            "RESET standard_conforming_strings",
            "SELECT set_config('standard_conforming_strings', 'off', false), 1",
            "SELECT 1 FROM t WHERE pg_catalog.set_config ( 'STANDARD_CONFORMING_STRINGS' , 'no' , true ) = ''",
            "DO $x$ BEGIN SET standard_conforming_strings = off; END $x$",
            "DO 'BEGIN PERFORM set_config(''standard_conforming_strings'', ''off'', false); END'",
            "SET client_encoding = 'SJIS'",
            "SET NAMES 'LATIN1'",
        ] {
            assert!(changes(sql), "{sql}");
        }
        for sql in [
            "SET standard_conforming_strings = on",
            "SET client_encoding = 'UTF8'",
            "SET NAMES 'utf-8'",
            "RESET client_encoding",
            "ALTER DATABASE d SET standard_conforming_strings = off",
            "ALTER ROLE r SET client_encoding = 'LATIN1'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET standard_conforming_strings = off AS 'SELECT 1'",
            "SELECT 'SET standard_conforming_strings = off'",
            "UPDATE settings SET standard_conforming_strings_seen = 1",
        ] {
            assert!(!changes(sql), "{sql}");
        }
    }
}
