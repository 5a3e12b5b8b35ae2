//! Safe forms of changes as steps: what fixes write in place of a statement, and what recipes write for a new change.

use refit_model::quoted_name as quoted;

use crate::sequence::{Runs, Step};

/// The steps that make a column NOT NULL without reading the table under a strong lock: CHECK NOT VALID, VALIDATE, SET
/// NOT NULL; from PostgreSQL 18 on, NOT NULL NOT VALID and VALIDATE.
#[derive(Debug, Clone, Copy)]
pub struct NotNull<'a> {
    /// The ALTER TABLE up to its action, as written: `ALTER TABLE posts`.
    pub head: &'a str,
    /// The table's name in titles.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The oldest PostgreSQL major version in use.
    pub postgres: u32,
}

impl NotNull<'_> {
    /// What the name of the constraint ends in, after those of table and column.
    pub fn suffix(&self) -> &'static str {
        if self.postgres >= 18 { "not_null" } else { "given" }
    }

    /// The steps, with the name of the constraint and how the first one runs.
    pub fn steps(&self, name: &str, first: Runs) -> Vec<Step> {
        let NotNull { head, table, column, postgres } = *self;
        let (written, name) = (quoted(column), quoted(name));
        let title = format!("validate {table} {column} not null");
        let given = format!("{table} {column} given");
        let validate = format!("{head} VALIDATE CONSTRAINT {name}");
        if postgres >= 18 {
            let add = format!("{head} ADD CONSTRAINT {name} NOT NULL {written} NOT VALID");
            return vec![Step::new(first, given, add), Step::new(Runs::Later, title, validate)];
        }
        let add = format!("{head} ADD CONSTRAINT {name} CHECK ({written} IS NOT NULL) NOT VALID");
        vec![
            Step::new(first, given, add),
            Step::new(Runs::Apart, title, validate),
            Step {
                runs: Runs::Apart,
                title: format!("{table} {column} not null"),
                sql: vec![
                    format!("{head} ALTER COLUMN {written} SET NOT NULL"),
                    format!("{head} DROP CONSTRAINT {name}"),
                ],
            },
        ]
    }
}

/// A CHECK or foreign key: added NOT VALID, then validated.
pub fn validated(head: &str, name: &str, definition: &str, first: Runs) -> [Step; 2] {
    let written = quoted(name);
    let add = format!("{head} ADD CONSTRAINT {written} {definition} NOT VALID");
    let validate = format!("{head} VALIDATE CONSTRAINT {written}");
    [
        Step::new(first, format!("add {name}"), add),
        Step::new(Runs::Later, format!("validate {name}"), validate),
    ]
}

/// A unique constraint or primary key over an index that is built first.
#[derive(Debug, Clone, Copy)]
pub struct OverIndex<'a> {
    /// The ALTER TABLE up to its action, as written: `ALTER TABLE posts`.
    pub head: &'a str,
    /// The table, as written.
    pub table: &'a str,
    /// Whether it is a primary key.
    pub primary: bool,
    /// The columns in parentheses, and what else belongs to the index.
    pub index: &'a str,
    /// What follows the index in the constraint, such as DEFERRABLE.
    pub rest: &'a str,
}

impl OverIndex<'_> {
    /// The index, built concurrently, and the constraint that uses it.
    pub fn steps(&self, name: &str) -> [Step; 2] {
        let OverIndex { head, table, primary, index, rest } = *self;
        let written = quoted(name);
        let kind = if primary { "PRIMARY KEY" } else { "UNIQUE" };
        let create = format!("CREATE UNIQUE INDEX CONCURRENTLY {written} ON {table} {index}");
        let add = format!("{head} ADD CONSTRAINT {written} {kind} USING INDEX {written}{rest}");
        [
            Step::new(Runs::Alone, format!("index {written}"), create),
            Step::new(Runs::Apart, format!("constrain {written}"), add),
        ]
    }
}
