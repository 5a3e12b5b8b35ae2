//! The tables that a statement writes, including changes in `WITH`, of `MERGE` and of `ON CONFLICT`.

use super::tokens::{Tokens, unquoted};

/// A table that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// Its name as written in the statement, which the server's functions accept.
    pub(crate) name: String,
    /// The columns of existing rows that it sets, unquoted.
    pub(crate) sets: Vec<String>,
    /// Whether it adds rows.
    pub(crate) inserts: bool,
}

impl Write {
    /// Whether the text alone shows that it writes a table.
    pub(super) fn is_of(&self, table: &str) -> bool {
        parts(&self.name) == parts(table)
    }

    /// Why this write to `table` makes batches by `key` overlap.
    pub(crate) fn reject_reason(&self, key: &[String], table: &str) -> Option<String> {
        if self.inserts {
            return Some(format!(
                "it inserts rows into {table}, the table of the backfill: later batches would visit the new rows too; insert \
                 into another table, or use another table for the backfill"
            ));
        }
        let column = key.iter().find(|column| self.sets.contains(column))?;
        Some(format!(
            "it sets {column}, a column of its own key: a row whose key changes may be visited and changed again; use another \
             unique key, or write the new values to another column"
        ))
    }
}

/// The identifiers of a qualified name, without the schema `public`, which most search paths find first.
fn parts(name: &str) -> Vec<String> {
    let tokens = Tokens::of(name);
    let mut parts: Vec<String> =
        (0..tokens.len()).map(|at| unquoted(tokens.text(at))).filter(|part| part != ".").collect();
    if parts.len() == 2 && parts[0] == "public" {
        parts.remove(0);
    }
    parts
}

impl Tokens<'_> {
    /// The tables that the statement writes other than by DELETE.
    pub(super) fn writes(&self) -> Vec<Write> {
        (0..self.len()).filter_map(|at| self.write_at(at)).collect()
    }

    /// Why the rows that a statement inserts cannot be journaled.
    pub(super) fn insert_reason(&self, writes: &[Write]) -> Option<&'static str> {
        let verb = (0..self.len()).find(|at| {
            self.depth(*at) == 0
                && ["INSERT", "UPDATE", "DELETE", "MERGE", "SELECT"].iter().any(|word| self.is(*at, word))
        });
        let Some(verb) = verb.filter(|verb| self.is(*verb, "INSERT")) else {
            return Some("the statement is no INSERT: write a single `INSERT INTO … SELECT`");
        };
        let deletes = (0..self.len()).any(|at| self.is(at, "DELETE") && self.is(at + 1, "FROM"));
        if writes.len() != 1 || deletes {
            return Some("the statement changes rows in `WITH` too: write a single `INSERT INTO … SELECT`");
        }
        if self.find(verb, "RETURNING").is_some() {
            return Some("the statement has a RETURNING of its own: remove it");
        }
        let updates = (verb..self.len())
            .any(|at| self.depth(at) == 0 && self.is(at, "DO") && self.is(at + 1, "UPDATE"));
        updates.then_some(
            "ON CONFLICT DO UPDATE changes rows that it did not insert, whose earlier values are not kept: write \
             ON CONFLICT DO NOTHING, and the update as a backfill of its own",
        )
    }

    /// The UPDATE, INSERT or MERGE that begins at a token.
    fn write_at(&self, at: usize) -> Option<Write> {
        // These words may also be names or parts of clauses: a statement begins the text, is in parentheses, or follows WITH.
        let begins = at == 0 || ["(", ")", ";"].contains(&self.text(at - 1));
        let words: &[&str] = match () {
            () if !begins => return None,
            () if self.is(at, "UPDATE") => &[],
            () if self.is(at, "INSERT") || self.is(at, "MERGE") => &["INTO"],
            () => return None,
        };
        let mut name = at + 1;
        for word in words {
            if !self.is(name, word) {
                return None;
            }
            name += 1;
        }
        let depth = self.depth(at);
        name += usize::from(self.is(name, "ONLY"));
        name += usize::from(self.text(name) == "(");
        let mut last = name;
        while self.text(last + 1) == "." {
            last += 2;
        }
        let end = (last..self.len()).find(|end| self.depth(*end) < depth || self.text(*end) == ";");
        let end = end.unwrap_or(self.len());
        let within = |from: usize, word: &str| {
            (from..end).find(|inner| self.depth(*inner) == depth && self.is(*inner, word))
        };
        let mut sets = Vec::new();
        let mut from = last;
        // An UPDATE has one SET; a MERGE has one for each of its actions, an INSERT one after DO UPDATE.
        while let Some(set) = within(from, "SET") {
            let stops = ["FROM", "WHERE", "RETURNING", "WHEN"];
            let stop = stops.iter().filter_map(|word| within(set, word)).min().unwrap_or(end);
            sets.extend(self.assigned(set + 1..stop, depth));
            from = stop;
        }
        let adds = self.is(at, "INSERT")
            || (self.is(at, "MERGE")
                && (last..end).any(|inner| self.is(inner, "THEN") && self.is(inner + 1, "INSERT")));
        let name = (name..=last).map(|part| self.text(part)).collect();
        Some(Write { name, sets, inserts: adds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(text: &str) -> Vec<(String, Vec<String>, bool)> {
        let writes = Tokens::of(text).writes();
        writes.into_iter().map(|write| (write.name, write.sets, write.inserts)).collect()
    }

    #[test]
    fn every_write_is_found() {
        let of = |name: &str, sets: &[&str], inserts| {
            (name.to_owned(), sets.iter().map(|&set| set.to_owned()).collect::<Vec<_>>(), inserts)
        };
        for (text, expected) in [
            ("UPDATE t SET id = id + 1, \"N n\" = 2 WHERE id > $1", vec![of("t", &["id", "N n"], false)]),
            (
                "UPDATE ONLY (a . \"T\") x SET (n, ID) = (1, 2) FROM b",
                vec![of("a.\"T\"", &["n", "id"], false)],
            ),
            (
                "WITH m AS (UPDATE t SET a = (SELECT 1 FROM x WHERE b = c) RETURNING 1) INSERT INTO u SELECT 1",
                vec![of("t", &["a"], false), of("u", &[], true)],
            ),
            (
                "INSERT INTO t (id) SELECT id FROM t FOR UPDATE ON CONFLICT (id) DO UPDATE SET id = excluded.id WHERE true",
                vec![of("t", &["id"], true)],
            ),
            (
                "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED AND u.a THEN UPDATE SET a = 1 \
                 WHEN MATCHED THEN UPDATE SET id = 2 WHEN NOT MATCHED THEN DO NOTHING",
                vec![of("t", &["a", "id"], false)],
            ),
            (
                "MERGE INTO t USING u ON true WHEN NOT MATCHED THEN INSERT VALUES (1)",
                vec![of("t", &[], true)],
            ),
            ("DELETE FROM t WHERE set = 1", vec![]),
            ("SELECT update FROM t FOR UPDATE", vec![]),
        ] {
            assert_eq!(writes(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_compared_as_the_server_reads_them() {
        let is = |name: &str, table: &str| {
            Write { name: name.to_owned(), sets: Vec::new(), inserts: false }.is_of(table)
        };
        assert!(
            is("T", "t") && is("\"t\"", "t") && is("public.t", "t") && is("app.\"T 1\"", "App . \"T 1\"")
        );
        assert!(!is("\"T\"", "t") && !is("app.t", "t") && !is("t", "u"));
    }
}
