//! The migrations that are measured: the history of a medium-sized service. Pure, and the same in every process.
//!
//! Of ten migrations, six create a table with its index and comments; the others add a column, a constraint, an index or a view to
//! existing tables. That is 1.6 to 2.4 statements over five relations each, as in the services that this models.

use std::fmt::Write;

/// One migration, as text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) version: i64,
    /// `create_orders_12`.
    pub(crate) name: String,
    pub(crate) sql: String,
    /// Whether it runs inside a transaction.
    pub(crate) transaction: bool,
}

impl Text {
    /// `V0012__create_orders_12`: the file's name without `.sql`.
    pub(crate) fn stem(&self) -> String {
        format!("V{:04}__{}", self.version, self.name)
    }

    fn new(version: i64, name: String, sql: String) -> Text {
        Text { version, name, sql, transaction: true }
    }
}

const NOUNS: [&str; 12] = [
    "account", "address", "article", "basket", "customer", "delivery", "invoice", "order", "payment",
    "product", "review", "shipment",
];

/// `count` migrations of a service's history, the versions counted from 1.
pub(crate) fn history(count: i64) -> Vec<Text> {
    (1..=count).map(one).collect()
}

fn one(version: i64) -> Text {
    // Every ten begin with tables, so that the tables exist when the others need them.
    let decade = (version - 1) / 10 * 10;
    let table = |version: i64| {
        let noun = NOUNS[usize::try_from(version).unwrap_or(0) % NOUNS.len()];
        format!("{noun}_{version}")
    };
    let target = table(decade + 1 + version % 3);
    match (version - 1) % 10 {
        6 => Text::new(version, format!("add_note_to_{target}"), add_column(&target)),
        7 => Text::new(version, format!("check_amount_of_{target}"), add_check(&target)),
        8 => Text::new(version, format!("index_updates_of_{target}"), add_index(&target)),
        9 => Text::new(version, format!("view_of_{target}"), add_view(&target)),
        nth => {
            let parent = (nth > 0).then(|| table(decade + 1));
            let table = table(version);
            Text::new(version, format!("create_{table}"), create_table(&table, parent.as_deref()))
        }
    }
}

fn create_table(table: &str, parent: Option<&str>) -> String {
    let mut sql = format!(
        "-- {table}: one row for each that a customer has.\n\
         CREATE TABLE {table} (\n    \
             id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
    );
    if let Some(parent) = parent {
        let _ = writeln!(sql, "    parent_id  bigint REFERENCES {parent} (id) ON DELETE CASCADE,");
    }
    let _ = write!(
        sql,
        "    reference  text NOT NULL,\n    \
             state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed')),\n    \
             amount     numeric(12, 2),\n    \
             updated_at timestamptz NOT NULL DEFAULT now(),\n    \
             created_at timestamptz NOT NULL DEFAULT now()\n\
         );\n\
         CREATE INDEX {table}_reference_idx ON {table} (reference);\n\
         COMMENT ON TABLE {table} IS 'One row for each {table}; kept for seven years.';\n\
         COMMENT ON COLUMN {table}.reference IS 'As printed; unique within a customer.';\n"
    );
    sql
}

fn add_column(table: &str) -> String {
    format!(
        "ALTER TABLE {table} ADD COLUMN note text;\n\
         COMMENT ON COLUMN {table}.note IS 'Free text of the back office.';\n"
    )
}

fn add_check(table: &str) -> String {
    format!(
        "ALTER TABLE {table} ADD CONSTRAINT {table}_amount_check CHECK (amount >= 0) NOT VALID;\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {table}_amount_check;\n"
    )
}

fn add_index(table: &str) -> String {
    format!("CREATE INDEX {table}_updated_at_idx ON {table} (updated_at) WHERE state = 'open';\n")
}

fn add_view(table: &str) -> String {
    format!(
        "CREATE VIEW {table}_open AS\n    \
         SELECT id, reference, amount, created_at FROM {table} WHERE state = 'open';\n\
         COMMENT ON VIEW {table}_open IS 'What is still to do.';\n"
    )
}

/// A history of `count` migrations. Every transactional step also inserts a row into a table without a key, so that a migration that
/// ran twice can be detected. With `concurrently` the last one builds an index outside a transaction.
pub(crate) fn counted(count: i64, concurrently: bool) -> Vec<Text> {
    let mut texts = history(count);
    for text in &mut texts {
        let _ = writeln!(text.sql, "INSERT INTO ran (version) VALUES ({});", text.version);
    }
    if let Some(first) = texts.first_mut() {
        first.sql.insert_str(0, "CREATE TABLE ran (version bigint NOT NULL);\n");
    }
    if let Some(last) = texts.last_mut().filter(|_| concurrently) {
        // The first line is for sqlx, the second for Refit.
        let sql = "-- no-transaction\n-- refit: transaction = false\n\
                   CREATE INDEX CONCURRENTLY ran_version_idx ON ran (version);\n";
        *last =
            Text { transaction: false, ..Text::new(last.version, "index_ran".to_owned(), sql.to_owned()) };
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_tables_exist_before_they_are_used() {
        let texts = history(1000);
        let mut created = std::collections::HashSet::new();
        for text in &texts {
            match text.name.strip_prefix("create_") {
                Some(table) => assert!(created.insert(table.to_owned()), "{table} twice"),
                None => {
                    let table = text.name.split_once("_of_").or(text.name.split_once("_to_")).unwrap().1;
                    assert!(created.contains(table), "{} comes before its table", text.name);
                }
            }
        }
        assert_eq!(created.len(), 600);
    }

    #[test]
    fn the_index_is_the_only_step_outside_a_transaction() {
        let texts = counted(20, true);
        assert_eq!(
            texts.iter().filter(|text| !text.transaction).map(|text| text.version).collect::<Vec<_>>(),
            [20]
        );
        assert!(counted(20, false).iter().all(|text| text.transaction));
    }
}
