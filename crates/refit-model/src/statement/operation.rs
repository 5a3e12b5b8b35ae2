//! The objects of a statement that cannot run in a transaction, with names as in the catalogs.

use squawk_lexer::TokenKind;

use super::Statement;
use super::reading::{Lexeme, lexemes};
use crate::name::unescaped_name;

/// The effect of a statement that runs outside a transaction, with the detail needed to recognize an interrupted
/// attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation<'a> {
    /// `CREATE INDEX CONCURRENTLY name …`.
    CreateIndex(ConcurrentIndex<'a>),
    /// `REINDEX … CONCURRENTLY`.
    Reindex(ReindexTarget),
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`.
    DetachPartition {
        /// The partitioned table, with its schema first if one is written.
        table: Vec<String>,
        /// The partition.
        partition: Vec<String>,
    },
    /// `CREATE DATABASE`, `TABLESPACE` or `SUBSCRIPTION`.
    Create(ObjectKind, Vec<String>),
    /// `DROP` of these, or `DROP INDEX CONCURRENTLY`.
    Drop(ObjectKind, Vec<String>),
    /// `ALTER DATABASE`, `TABLESPACE` or `SUBSCRIPTION`: most forms can run in a transaction.
    Alter,
    /// Everything else.
    Other,
}

/// An object whose existence shows whether a statement had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A database.
    Database,
    /// A tablespace.
    Tablespace,
    /// A subscription of the current database.
    Subscription,
    /// An index.
    Index,
}

/// The target of `REINDEX … CONCURRENTLY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReindexTarget {
    /// One index, or all of a partitioned one.
    Index(Vec<String>),
    /// The indexes of a table and its partitions.
    Table(Vec<String>),
    /// Those of a schema.
    Schema(String),
    /// Those of the current database.
    Database,
}

/// A `CREATE INDEX CONCURRENTLY` with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrentIndex<'a> {
    /// Whether it is UNIQUE.
    pub unique: bool,
    /// Whether it has IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The index's name; `None` if the server chooses it.
    pub name: Option<String>,
    /// The table's name, with its schema first if one is written.
    pub table: Vec<String>,
    /// The text after the table: method, columns and options, as written.
    pub definition: &'a str,
}

impl<'a> Statement<'a> {
    /// Its operation, if it cannot run in a transaction.
    pub fn operation(&self) -> Operation<'a> {
        operation(self.text)
    }
}

pub(super) fn operation(text: &str) -> Operation<'_> {
    read(&mut Tokens::of(text)).unwrap_or(Operation::Other)
}

fn read<'a>(tokens: &mut Tokens<'a>) -> Option<Operation<'a>> {
    if tokens.eat("CREATE") {
        if let Some(kind) = tokens.shared_object() {
            return Some(Operation::Create(kind, vec![tokens.name()?]));
        }
        return tokens.concurrent_index().map(Operation::CreateIndex);
    }
    if tokens.eat("DROP") {
        let kind = match tokens.eat("INDEX") {
            true if !tokens.eat("CONCURRENTLY") => return None,
            true => ObjectKind::Index,
            false => tokens.shared_object()?,
        };
        tokens.eat_all(&["IF", "EXISTS"]);
        return Some(Operation::Drop(kind, tokens.path()?));
    }
    if tokens.eat("REINDEX") {
        return tokens.reindex().map(Operation::Reindex);
    }
    tokens.eat("ALTER").then_some(())?;
    if tokens.shared_object().is_some() {
        return Some(Operation::Alter);
    }
    tokens.eat("TABLE").then_some(())?;
    tokens.eat_all(&["IF", "EXISTS"]);
    tokens.eat("ONLY");
    let table = tokens.path()?;
    tokens.eat("*");
    tokens.eat_all(&["DETACH", "PARTITION"]).then_some(())?;
    let partition = tokens.path()?;
    tokens.eat("CONCURRENTLY").then_some(Operation::DetachPartition { table, partition })
}

#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    start: usize,
    kind: TokenKind,
}

/// The tokens of a statement, read from the left.
struct Tokens<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Tokens<'a> {
        // Decisions only need the beginning of a statement.
        let head = lexemes(text).filter(|lexeme| !lexeme.is_trivia()).take(48);
        let token = |Lexeme { kind, start, end }| Token { text: &text[start..end], start, kind };
        let tokens = head.map(token).collect();
        Tokens { text, tokens, at: 0 }
    }

    fn is(&self, keyword: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.text.eq_ignore_ascii_case(keyword))
    }

    fn eat(&mut self, keyword: &str) -> bool {
        let found = self.is(keyword);
        self.at += usize::from(found);
        found
    }

    fn eat_all(&mut self, keywords: &[&str]) -> bool {
        let before = self.at;
        let found = keywords.iter().all(|keyword| self.eat(keyword));
        if !found {
            self.at = before;
        }
        found
    }

    /// An identifier, with a following UESCAPE.
    fn name(&mut self) -> Option<String> {
        let token = *self.tokens.get(self.at)?;
        if !matches!(token.kind, TokenKind::Ident | TokenKind::QuotedIdent { .. }) {
            return None;
        }
        self.at += 1;
        let mut escape = '\\';
        if matches!(token.kind, TokenKind::QuotedIdent { uescape: true, .. }) && self.eat("UESCAPE") {
            let literal = self.tokens.get(self.at)?;
            escape = literal.text.trim_matches('\'').chars().next()?;
            self.at += 1;
        }
        Some(unescaped_name(token.text, escape))
    }

    fn path(&mut self) -> Option<Vec<String>> {
        let mut path = vec![self.name()?];
        while self.eat(".") {
            path.push(self.name()?);
        }
        Some(path)
    }

    fn shared_object(&mut self) -> Option<ObjectKind> {
        let kinds = [
            ("DATABASE", ObjectKind::Database),
            ("TABLESPACE", ObjectKind::Tablespace),
            ("SUBSCRIPTION", ObjectKind::Subscription),
        ];
        kinds.into_iter().find_map(|(keyword, kind)| self.eat(keyword).then_some(kind))
    }

    /// `[UNIQUE] INDEX CONCURRENTLY [[IF NOT EXISTS] name] ON [ONLY] table …`, after CREATE.
    fn concurrent_index(&mut self) -> Option<ConcurrentIndex<'a>> {
        let unique = self.eat("UNIQUE");
        self.eat_all(&["INDEX", "CONCURRENTLY"]).then_some(())?;
        let if_not_exists = self.eat_all(&["IF", "NOT", "EXISTS"]);
        let name = if self.is("ON") { None } else { Some(self.name()?) };
        self.eat("ON").then_some(())?;
        self.eat("ONLY");
        let table = self.path()?;
        let end = self.tokens.get(self.at).map_or(self.text.len(), |token| token.start);
        Some(ConcurrentIndex { unique, if_not_exists, name, table, definition: &self.text[end..] })
    }

    /// `[(options)] {INDEX | TABLE | SCHEMA | DATABASE | SYSTEM} [CONCURRENTLY] [name]`, after REINDEX.
    fn reindex(&mut self) -> Option<ReindexTarget> {
        let mut concurrently = false;
        if self.eat("(") {
            while self.at < self.tokens.len() && !self.eat(")") {
                if self.eat("CONCURRENTLY") {
                    let off = ["FALSE", "'false'", "OFF", "'off'", "0"];
                    concurrently = !off.iter().any(|value| self.eat(value));
                } else {
                    self.at += 1;
                }
            }
        }
        let kinds = ["INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM"];
        let kind = kinds.into_iter().find(|kind| self.eat(kind))?;
        concurrently |= self.eat("CONCURRENTLY");
        concurrently.then_some(())?;
        match kind {
            "INDEX" => self.path().map(ReindexTarget::Index),
            "TABLE" => self.path().map(ReindexTarget::Table),
            "SCHEMA" => self.name().map(ReindexTarget::Schema),
            _ => Some(ReindexTarget::Database),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::split_statements;
    use super::*;

    fn operation(sql: &str) -> Operation<'_> {
        split_statements(sql).remove(0).operation()
    }

    fn path(parts: &[&str]) -> Vec<String> {
        parts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_concurrent_index_has_its_parts() {
        let sql = "CREATE UNIQUE INDEX /* x */ CONCURRENTLY IF NOT EXISTS U&\"d!0061t\" UESCAPE '!' \
                   ON ONLY App.\"T\" USING btree (lower(a)) INCLUDE (b) WHERE c -- end";
        let Operation::CreateIndex(index) = operation(sql) else { panic!("{sql}") };
        assert!(index.unique && index.if_not_exists);
        assert_eq!((index.name.as_deref(), index.table), (Some("dat"), path(&["app", "T"])));
        assert_eq!(index.definition, "USING btree (lower(a)) INCLUDE (b) WHERE c");
        let Operation::CreateIndex(index) = operation("create index concurrently on t(a)") else { panic!() };
        assert_eq!((index.name, index.table, index.definition), (None, path(&["t"]), "(a)"));
    }

    #[test]
    fn what_others_act_on_is_read() {
        let reindex = |sql| match operation(sql) {
            Operation::Reindex(target) => Some(target),
            _ => None,
        };
        let index = ReindexTarget::Index(path(&["s", "i"]));
        assert_eq!(reindex("REINDEX INDEX CONCURRENTLY s.I"), Some(index.clone()));
        assert_eq!(reindex("REINDEX (VERBOSE, CONCURRENTLY) INDEX s.i"), Some(index));
        assert_eq!(reindex("REINDEX (CONCURRENTLY off) TABLE t"), None);
        assert_eq!(reindex("REINDEX TABLE t"), None);
        assert_eq!(reindex("REINDEX DATABASE CONCURRENTLY"), Some(ReindexTarget::Database));
        let detach = "ALTER TABLE IF EXISTS ONLY s.t DETACH PARTITION \"P\" CONCURRENTLY";
        let (table, partition) = (path(&["s", "t"]), path(&["P"]));
        assert_eq!(operation(detach), Operation::DetachPartition { table, partition });
        assert_eq!(operation("ALTER TABLE t DETACH PARTITION p FINALIZE"), Operation::Other);
        assert_eq!(operation("ALTER DATABASE d SET x = 1"), Operation::Alter);
        assert_eq!(operation("CREATE DATABASE D"), Operation::Create(ObjectKind::Database, path(&["d"])));
        let index = Operation::Drop(ObjectKind::Index, path(&["i"]));
        assert_eq!(operation("DROP INDEX CONCURRENTLY IF EXISTS i CASCADE"), index);
        assert_eq!(operation("VACUUM t"), Operation::Other);
        assert_eq!(operation("ALTER SYSTEM SET x = 1"), Operation::Other);
    }
}
