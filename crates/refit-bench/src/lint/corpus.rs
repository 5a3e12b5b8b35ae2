//! The files that are linted: a thousand migrations of a service's history, about 32 lines each. Pure, and equal for equal seeds.

use std::fmt::Write;

use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, SeedableRng};

/// The average number of lines of a file.
pub(super) const LINES: usize = 32;

/// `count` migrations: names and texts, the versions counted from 1.
pub(crate) fn files(count: usize) -> Vec<(String, String)> {
    made(count, 0)
}

/// The same, with something to fix in every second one: indexes, keys, constraints, and changes of all rows.
pub(crate) fn hazardous_files(count: usize) -> Vec<(String, String)> {
    made(count, 4)
}

fn made(count: usize, hazards: u32) -> Vec<(String, String)> {
    let random = Random::seed_from_u64(20_261_120);
    let mut corpus = Corpus { random, tables: Vec::new(), written: 0, hazards };
    (1..=count)
        .map(|version| {
            let text = corpus.file(version);
            (format!("V{version:04}__change_{version}.sql"), text)
        })
        .collect()
}

/// One text of about that many lines: whole files, concatenated.
pub(super) fn text(lines: usize) -> String {
    files(lines / LINES).into_iter().map(|(_, text)| text).collect()
}

const NOUNS: [&str; 12] = [
    "account", "address", "article", "basket", "customer", "delivery", "invoice", "order", "payment",
    "product", "review", "shipment",
];
const COLUMNS: [(&str, &str); 10] = [
    ("reference", "text NOT NULL"),
    ("state", "text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed'))"),
    ("amount", "numeric(12, 2)"),
    ("currency", "char(3) NOT NULL DEFAULT 'EUR'"),
    ("note", "text"),
    ("payload", "jsonb NOT NULL DEFAULT '{}'::jsonb"),
    ("position", "integer"),
    ("is_archived", "boolean NOT NULL DEFAULT false"),
    ("updated_at", "timestamptz NOT NULL DEFAULT now()"),
    ("created_at", "timestamptz NOT NULL DEFAULT now()"),
];

struct Corpus {
    random: Random,
    tables: Vec<String>,
    /// Lines so far: shorter files compensate for long ones.
    written: usize,
    /// How many more of thirty parts are hazards.
    hazards: u32,
}

impl Corpus {
    fn file(&mut self, version: usize) -> String {
        let mut sql = String::new();
        if version == 1 || self.random.random_bool(0.55) {
            self.create(version, &mut sql);
        }
        // A migration changes one table: the new one, or an existing one.
        let table = self.table();
        let table = if sql.is_empty() { table } else { self.tables.last().cloned().unwrap_or(table) };
        while self.written + sql.lines().count() < version * LINES - 6 {
            self.part(version, &table, &mut sql);
        }
        self.written += sql.lines().count();
        sql
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.random_range(0..of.len())]
    }

    fn table(&mut self) -> String {
        let index = self.random.random_range(0..self.tables.len());
        self.tables[index].clone()
    }

    // Writing to a String does not fail.
    fn create(&mut self, version: usize, sql: &mut String) {
        let table = format!("{}_{version}", self.one_of(&NOUNS));
        let _ = write!(
            sql,
            "-- {table}: one row for each that a customer has, kept for seven years.\nCREATE TABLE {table} (\n    \
             id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        );
        if !self.tables.is_empty() {
            let parent = self.table();
            let _ = write!(sql, ",\n    parent_id   bigint REFERENCES {parent} (id) ON DELETE CASCADE");
        }
        for (name, kind) in COLUMNS {
            let _ = write!(sql, ",\n    {name:11} {kind}");
        }
        let _ = write!(
            sql,
            "\n);\nCREATE INDEX {table}_reference_idx ON {table} (reference);\n\
             CREATE INDEX {table}_open_idx ON {table} (updated_at) WHERE state = 'open';\n\
             COMMENT ON TABLE {table} IS 'One row for each {table}; kept for seven years.';\n\
             COMMENT ON COLUMN {table}.reference IS 'As printed; unique within a customer.';\n"
        );
        self.tables.push(table);
    }

    /// One statement or a few. One part of thirty is a hazard if the table is not new.
    fn part(&mut self, version: usize, table: &str, sql: &mut String) {
        let n = self.random.random_range(0..1_000_000);
        let kind = self.random.random_range(0..30 + self.hazards);
        if kind >= 30 {
            return self.hazard(n, table, sql);
        }
        let _ = match kind {
            0..6 => writeln!(
                sql,
                "\n-- The back office writes it, nobody else reads it.\n\
                 ALTER TABLE {table} ADD COLUMN extra_{n} text;\n\
                 COMMENT ON COLUMN {table}.extra_{n} IS 'Free text of the back office.';"
            ),
            6..9 => writeln!(
                sql,
                "\nALTER TABLE {table} ADD CONSTRAINT {table}_check_{n} CHECK (amount >= 0 AND amount < {n}) NOT VALID;"
            ),
            9..13 => writeln!(
                sql,
                "\n/* Called by the trigger below. */\nCREATE OR REPLACE FUNCTION touch_{version}_{n}() RETURNS trigger\n    \
                 LANGUAGE plpgsql AS $$\nBEGIN\n    NEW.updated_at := now();\n    IF NEW.amount IS NULL THEN\n        \
                 NEW.amount := 0;\n    END IF;\n    RETURN NEW;\nEND\n$$;"
            ),
            13..17 => writeln!(
                sql,
                "\nCREATE VIEW view_{version}_{n} AS\n    SELECT t.id, t.reference, t.amount * 1.19 AS gross, count(*) OVER () AS total\n    \
                 FROM   {table} t\n    WHERE  t.state = 'open' AND t.created_at > now() - interval '30 days'\n    \
                 ORDER  BY t.created_at DESC;"
            ),
            17..21 => writeln!(
                sql,
                "\nUPDATE {table}\nSET    note = 'checked', updated_at = now()\nWHERE  id = {n};"
            ),
            21..24 => writeln!(
                sql,
                "\nINSERT INTO {table} (reference, amount, note) VALUES\n    ('{n}', 12.50, 'first'),\n    \
                 ('{n}-b', 99.00, 'it''s the second');"
            ),
            24..27 => writeln!(
                sql,
                "\nALTER TABLE {table} ALTER COLUMN note SET DEFAULT '';\n\
                 GRANT SELECT, INSERT ON {table} TO PUBLIC;"
            ),
            27..29 => writeln!(
                sql,
                "\nDO $$\nBEGIN\n    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reporting') THEN\n        \
                 RAISE NOTICE 'no reporting here';\n    END IF;\nEND\n$$;"
            ),
            _ => writeln!(sql, "\nUPDATE {table} SET note = '' WHERE note IS NULL;"),
        };
    }
}

impl Corpus {
    /// A statement with a safe form that can be generated, on a table that may be old.
    fn hazard(&mut self, n: u32, table: &str, sql: &mut String) {
        let old = self.table();
        let statement = match self.random.random_range(0..8) {
            0 => format!("CREATE INDEX ON {old} (currency, created_at)"),
            1 => format!(
                "ALTER TABLE {old} -- every one of them\n    ADD CONSTRAINT c_{n} CHECK (position >= 0)"
            ),
            2 => format!(
                "ALTER TABLE {old} ADD COLUMN other_{n} bigint REFERENCES {table} (id) ON DELETE SET NULL"
            ),
            3 => format!("UPDATE {old} SET note = reference WHERE note IS NULL"),
            4 => format!("ALTER TABLE {old} ALTER COLUMN payload SET NOT NULL"),
            5 => format!("ALTER TABLE {old} ADD COLUMN token_{n} uuid DEFAULT gen_random_uuid()"),
            6 => format!("ALTER TABLE {old} ADD CONSTRAINT u_{n} UNIQUE (reference, id)"),
            _ => format!("DELETE FROM {old} WHERE is_archived"),
        };
        // Writing to a String does not fail.
        let _ = writeln!(sql, "\n-- Asked for by the back office.\n{statement};");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_has_the_requested_length_and_is_deterministic() {
        let all = files(1_000);
        let lines: usize = all.iter().map(|(_, text)| text.lines().count()).sum();
        assert!((31_000..=33_000).contains(&lines), "{lines}");
        assert!(all.iter().all(|(_, text)| !text.is_empty()));
        assert_eq!(all, files(1_000));
        assert!((4_900..=5_100).contains(&text(5_000).lines().count()));
    }
}
