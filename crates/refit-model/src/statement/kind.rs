//! Classifies a statement by its first words.

use super::operation::{Operation, operation};

/// The effect of a statement on its transaction or session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementKind {
    /// `BEGIN`, `COMMIT`, `ROLLBACK`, …: would separate a step from its history row.
    TransactionControl,
    /// `CREATE INDEX CONCURRENTLY`, with the parts of the index's name (`None` if the server chooses it) and of its
    /// table's.
    CreateIndexConcurrently {
        /// The index name, unquoted.
        index: Option<String>,
        /// The table's name, unquoted, with its schema first if one is written.
        table: Vec<String>,
    },
    /// Cannot run in a transaction block for another reason: `VACUUM`, `DROP INDEX CONCURRENTLY`, …
    OutsideTransaction,
    /// `COPY … FROM STDIN` or `TO STDOUT`: needs a client that transfers the data.
    CopyThroughClient,
    /// `DO` and `CALL`: may commit by themselves, and then cannot run in a transaction; most do not.
    Routine,
    /// `SET`, `RESET`, `PREPARE`, `LISTEN`, …: changes only the session, and can be repeated.
    Session,
    /// Everything else.
    Plain,
}

/// A token as it is written.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    quoted: bool,
}

impl Word<'_> {
    fn is(self, keyword: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// Maximum number of tokens that any decision needs.
const WORDS_KEPT: usize = 24;

/// The first words of a statement.
#[derive(Default)]
pub(super) struct Words<'a>(Vec<Word<'a>>);

impl<'a> Words<'a> {
    pub(super) fn push(&mut self, text: &'a str, quoted: bool) {
        if self.0.len() < WORDS_KEPT {
            self.0.push(Word { text, quoted });
        }
    }

    fn is(&self, index: usize, keyword: &str) -> bool {
        self.0.get(index).is_some_and(|word| word.is(keyword))
    }

    /// The word in upper case; empty if it is quoted.
    fn key(&self, index: usize) -> String {
        let word = self.0.get(index).filter(|word| !word.quoted);
        word.map_or_else(String::new, |word| word.text.to_ascii_uppercase())
    }

    pub(super) fn create_routine(&self) -> bool {
        self.is(0, "CREATE") && (0..4).any(|index| self.is(index, "FUNCTION") || self.is(index, "PROCEDURE"))
    }

    pub(super) fn kind(&self, text: &str, names_client: bool) -> StatementKind {
        match (self.key(0).as_str(), self.key(1).as_str()) {
            ("ROLLBACK", "TO") | ("ROLLBACK", "WORK" | "TRANSACTION") if self.has("TO") => {
                StatementKind::Plain
            }
            ("BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "ABORT", _)
            | ("START", "TRANSACTION")
            | ("PREPARE", "TRANSACTION") => StatementKind::TransactionControl,
            ("COPY", _) if names_client => StatementKind::CopyThroughClient,
            ("SET", "CONSTRAINTS") => StatementKind::Plain,
            ("SET" | "RESET" | "DISCARD" | "PREPARE" | "DEALLOCATE" | "LISTEN" | "UNLISTEN" | "LOAD", _) => {
                StatementKind::Session
            }
            ("SELECT", _) if self.only_sets_config() => StatementKind::Session,
            ("DO" | "CALL", _) => StatementKind::Routine,
            ("CREATE", "INDEX" | "UNIQUE") if self.has("CONCURRENTLY") => concurrent_index(text),
            ("VACUUM" | "CLUSTER" | "REINDEX", _)
            | ("CREATE" | "DROP" | "ALTER", "DATABASE" | "TABLESPACE" | "SUBSCRIPTION" | "SYSTEM") => {
                StatementKind::OutsideTransaction
            }
            ("DROP" | "REFRESH" | "ALTER", _) if self.has("CONCURRENTLY") => {
                StatementKind::OutsideTransaction
            }
            _ => StatementKind::Plain,
        }
    }

    /// `SELECT pg_catalog.set_config('search_path', '', false)`, as written by pg_dump, and nothing else.
    fn only_sets_config(&self) -> bool {
        let at = if self.is(1, "pg_catalog") && self.is(2, ".") { 3 } else { 1 };
        self.is(at, "set_config") && self.is(at + 1, "(") && self.is(at + 7, ")") && self.0.len() == at + 8
    }

    fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|word| word.is(keyword))
    }
}

/// The server refuses malformed statements.
fn concurrent_index(text: &str) -> StatementKind {
    match operation(text) {
        Operation::CreateIndex(index) => {
            StatementKind::CreateIndexConcurrently { index: index.name, table: index.table }
        }
        _ => StatementKind::OutsideTransaction,
    }
}

#[cfg(test)]
mod tests {
    use super::super::split_statements;
    use super::*;

    fn kind(sql: &str) -> StatementKind {
        split_statements(sql).remove(0).kind
    }

    #[test]
    fn kinds_are_recognised() {
        assert_eq!(kind("begin"), StatementKind::TransactionControl);
        assert_eq!(kind("/* x */ Commit"), StatementKind::TransactionControl);
        assert_eq!(kind("ROLLBACK TO SAVEPOINT a"), StatementKind::Plain);
        assert_eq!(kind("ROLLBACK"), StatementKind::TransactionControl);
        assert_eq!(kind("SET lock_timeout = 0"), StatementKind::Session);
        let dump = "SELECT pg_catalog.set_config('search_path', '', false)";
        assert_eq!(kind(dump), StatementKind::Session);
        assert_eq!(kind(&format!("{dump}, f()")), StatementKind::Plain);
        assert_eq!(kind("PREPARE p AS SELECT 1"), StatementKind::Session);
        assert_eq!(kind("PREPARE TRANSACTION 'x'"), StatementKind::TransactionControl);
        assert_eq!(kind("DO $$ BEGIN END $$"), StatementKind::Routine);
        assert_eq!(kind("SET CONSTRAINTS ALL DEFERRED"), StatementKind::Plain);
        assert_eq!(kind("VACUUM t"), StatementKind::OutsideTransaction);
        assert_eq!(kind("DROP INDEX CONCURRENTLY i"), StatementKind::OutsideTransaction);
        assert_eq!(kind("ALTER TABLE t DETACH PARTITION p CONCURRENTLY"), StatementKind::OutsideTransaction);
        assert_eq!(kind("COPY t (a, b) FROM stdin WITH (FORMAT csv)"), StatementKind::CopyThroughClient);
        let columns = "a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12";
        assert_eq!(kind(&format!("COPY t ({columns}) FROM stdin")), StatementKind::CopyThroughClient);
        assert_eq!(
            kind(&format!("COPY (SELECT {columns} FROM t) TO STDOUT (FORMAT csv)")),
            StatementKind::CopyThroughClient
        );
        assert_eq!(kind("COPY t (stdin) FROM '/tmp/x'"), StatementKind::Plain);
        assert_eq!(kind("COPY t FROM '/tmp/x'"), StatementKind::Plain);
        assert_eq!(kind("INSERT INTO t VALUES (1)"), StatementKind::Plain);
    }

    #[test]
    fn a_concurrent_index_gives_its_names() {
        let index = |sql| match kind(sql) {
            StatementKind::CreateIndexConcurrently { index, table } => (index, table),
            other => panic!("{other:?}"),
        };
        let (name, table) =
            index("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"My ix\" ON ONLY App.\"T\" (a)");
        assert_eq!((name.as_deref(), table), (Some("My ix"), vec!["app".to_owned(), "T".to_owned()]));
        let (name, table) = index("create index concurrently on t (a)");
        assert_eq!((name, table), (None, vec!["t".to_owned()]));
    }
}
