//! A file's text as statements: the range of each, and the little that the runtime needs to know about it.
//!
//! This is lexing, not parsing. It handles quotes, dollar quotes, comments, parentheses and `BEGIN ATOMIC` bodies; the
//! server (and the linter) check whether the SQL is valid.

use squawk_lexer::{LiteralKind, TokenKind};

use self::kind::Words;
use crate::problem::Problem;
use crate::text::Position;

mod kind;
mod operation;
mod reading;

pub use self::kind::StatementKind;
pub use self::operation::{ConcurrentIndex, ObjectKind, Operation, ReindexTarget};
pub(crate) use self::reading::{Lexeme, lexemes};

/// One statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The statement, without leading comments and without its semicolon.
    pub text: &'a str,
    /// Byte offset of `text` in the file.
    pub offset: usize,
    /// What the runtime needs to know about it.
    pub kind: StatementKind,
}

impl Statement<'_> {
    /// Whether it creates an object in `pg_temp`, which is dropped at the end of the session.
    pub fn creates_temporary(&self) -> bool {
        let mut words = self.text.split_whitespace().take(5).map(str::to_ascii_uppercase);
        words.next().is_some_and(|first| first == "CREATE")
            && words
                .find(|word| !matches!(word.as_str(), "OR" | "REPLACE" | "GLOBAL" | "LOCAL"))
                .is_some_and(|word| word == "TEMP" || word == "TEMPORARY")
    }

    /// The position of the statement in `file`, the text that it was split from.
    pub fn position(&self, file: &str) -> Position {
        Position::of(file, self.offset)
    }
}

/// An unterminated quote or comment at the end of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unterminated {
    /// Its start, as a byte offset.
    offset: usize,
    /// What it is.
    what: &'static str,
}

/// Splits a text into its statements. Empty ones are omitted; the last one needs no semicolon.
pub fn split_statements(text: &str) -> Vec<Statement<'_>> {
    scan(text).0
}

/// The tokens that PostgreSQL sees: all except comments and space.
pub fn significant_tokens(text: &str) -> Vec<&str> {
    let significant = lexemes(text).filter(|lexeme| !lexeme.is_trivia());
    significant.map(|lexeme| &text[lexeme.start..lexeme.end]).collect()
}

/// The first of these tokens; the rest of the text is not read.
pub(crate) fn first_token(text: &str) -> Option<&str> {
    lexemes(text).find(|lexeme| !lexeme.is_trivia()).map(|lexeme| &text[lexeme.start..lexeme.end])
}

/// The statements of the file `path`.
///
/// # Errors
/// An unterminated quote or comment.
pub(crate) fn statements_of<'t>(path: &str, text: &'t str) -> Result<Vec<Statement<'t>>, Problem> {
    match scan(text) {
        (statements, None) => Ok(statements),
        (_, Some(Unterminated { offset, what })) => {
            let problem = Problem::new(path, format!("this {what} is not terminated"), "close it");
            Err(problem.at(Position::of(text, offset)))
        }
    }
}

/// Splits a text, and reports an unterminated quote or comment.
fn scan(text: &str) -> (Vec<Statement<'_>>, Option<Unterminated>) {
    let mut statements = Vec::new();
    let mut unterminated = None;
    let mut current = Current::default();
    for Lexeme { kind, start, end } in lexemes(text) {
        match kind {
            TokenKind::Whitespace | TokenKind::LineComment => {}
            TokenKind::BlockComment { terminated } => {
                note(&mut unterminated, terminated, start, "comment");
            }
            TokenKind::Semi if current.parens == 0 && current.atomic == 0 => {
                current.finish(text, &mut statements);
                current = Current::default();
            }
            kind => {
                if let Some((terminated, what)) = termination(kind) {
                    note(&mut unterminated, terminated, start, what);
                }
                current.push(kind, &text[start..end], start, end);
            }
        }
    }
    current.finish(text, &mut statements);
    (statements, unterminated)
}

fn note(slot: &mut Option<Unterminated>, terminated: bool, offset: usize, what: &'static str) {
    if !terminated && slot.is_none() {
        *slot = Some(Unterminated { offset, what });
    }
}

fn termination(kind: TokenKind) -> Option<(bool, &'static str)> {
    match kind {
        TokenKind::QuotedIdent { terminated, .. } => Some((terminated, "quoted identifier")),
        TokenKind::Literal { kind } => match kind {
            LiteralKind::Str { terminated }
            | LiteralKind::NationalStr { terminated }
            | LiteralKind::EscStr { terminated }
            | LiteralKind::UnicodeEscStr { terminated }
            | LiteralKind::BitStr { terminated }
            | LiteralKind::ByteStr { terminated } => Some((terminated, "string")),
            LiteralKind::DollarQuotedString { terminated } => Some((terminated, "dollar-quoted string")),
            _ => None,
        },
        _ => None,
    }
}

/// The statement being read. It keeps only the first words, which all decisions are based on.
#[derive(Default)]
struct Current<'a> {
    span: Option<(usize, usize)>,
    words: Words<'a>,
    parens: usize,
    /// Depth of `BEGIN ATOMIC` … `END` and of `CASE` … `END` inside it.
    atomic: usize,
    /// Whether the previous word was `BEGIN`.
    after_begin: bool,
    /// Whether `STDIN` or `STDOUT` occurs outside parentheses.
    names_client: bool,
}

impl<'a> Current<'a> {
    fn push(&mut self, kind: TokenKind, word: &'a str, start: usize, end: usize) {
        self.span = Some((self.span.map_or(start, |(first, _)| first), end));
        match kind {
            TokenKind::OpenParen => self.parens += 1,
            TokenKind::CloseParen => self.parens = self.parens.saturating_sub(1),
            TokenKind::Ident => self.enter_or_leave_body(word),
            _ => {}
        }
        let is_word = matches!(kind, TokenKind::Ident);
        let is_client = || word.eq_ignore_ascii_case("STDIN") || word.eq_ignore_ascii_case("STDOUT");
        self.names_client |= is_word && self.parens == 0 && is_client();
        self.after_begin = is_word && word.eq_ignore_ascii_case("BEGIN");
        self.words.push(word, matches!(kind, TokenKind::QuotedIdent { .. }));
    }

    /// `BEGIN` inside CREATE FUNCTION or PROCEDURE opens a body whose semicolons do not end the statement.
    fn enter_or_leave_body(&mut self, word: &str) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if self.atomic > 0 {
            if is("CASE") {
                self.atomic += 1;
            } else if is("END") {
                self.atomic -= 1;
            }
        } else if is("ATOMIC") && self.after_begin && self.words.create_routine() {
            self.atomic = 1;
        }
    }

    fn finish(&mut self, text: &'a str, statements: &mut Vec<Statement<'a>>) {
        if let Some((start, end)) = self.span {
            statements.push(Statement {
                text: &text[start..end],
                offset: start,
                kind: self.words.kind(&text[start..end], self.names_client),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        split_statements(sql).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn semicolons_inside_quotes_comments_and_bodies_do_not_split() {
        assert_eq!(
            texts("SELECT ';' ; -- a;b\n/* ; */ SELECT $x$ ; $x$;;"),
            ["SELECT ';'", "SELECT $x$ ; $x$"]
        );
        let function = "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC \
                        SELECT CASE WHEN a > 1 THEN 2 ELSE 3 END; SELECT 1; END";
        assert_eq!(texts(&format!("{function}; SELECT 2")), [function, "SELECT 2"]);
        assert_eq!(texts("CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); SELECT 3").len(), 2);
        assert_eq!(texts("-- nothing\n ; /* here */"), Vec::<&str>::new());
    }

    #[test]
    fn comments_and_spaces_are_not_significant() {
        assert_eq!(significant_tokens("SELECT(1 )--x\n;"), significant_tokens("SELECT ( 1);"));
        assert_ne!(significant_tokens("SELECT 'a b'"), significant_tokens("SELECT 'a  b'"));
    }

    #[test]
    fn a_long_signature_before_begin_atomic_is_understood() {
        let many: Vec<String> = (0..40).map(|number| format!("a{number} int")).collect();
        let function = format!(
            "CREATE FUNCTION f({}) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END",
            many.join(", ")
        );
        assert_eq!(texts(&format!("{function}; SELECT 2")), [function.as_str(), "SELECT 2"]);
    }

    #[test]
    fn temporary_objects_are_recognised() {
        let temporary = |sql: &str| split_statements(sql).remove(0).creates_temporary();
        assert!(
            temporary("CREATE TEMP TABLE t (a int)") && temporary("create local temporary table t (a int)")
        );
        assert!(temporary("CREATE OR REPLACE TEMP VIEW v AS SELECT 1"));
        assert!(
            !temporary("CREATE TABLE temp (a int)")
                && !temporary("CREATE TABLE t AS SELECT 1 AS temp")
                && !temporary("DROP TABLE temp")
        );
    }

    #[test]
    fn an_unfinished_quote_is_found_where_it_begins() {
        let unfinished = |sql| scan(sql).1.map(|found| (found.offset, found.what));
        assert_eq!(unfinished("SELECT 'abc"), Some((7, "string")));
        assert_eq!(unfinished("SELECT 1; /* abc"), Some((10, "comment")));
        assert_eq!(unfinished("DO $$ BEGIN END"), Some((3, "dollar-quoted string")));
        assert_eq!(unfinished("SELECT \"a"), Some((7, "quoted identifier")));
        assert_eq!(unfinished("SELECT 1"), None);
    }

    proptest! {
        #[test]
        fn any_text_splits_into_ordered_pieces_of_itself(text in "\\PC{0,200}") {
            let mut end = 0;
            for statement in split_statements(&text) {
                prop_assert!(statement.offset >= end);
                end = statement.offset + statement.text.len();
                prop_assert_eq!(&text[statement.offset..end], statement.text);
            }
        }

        #[test]
        fn sql_like_text_never_panics(text in "([a-zA-Z$'\"();/*\\-\n ]|BEGIN|ATOMIC|CREATE|END|ü|😀){0,120}") {
            split_statements(&text);
        }
    }
}
