//! # Make a column NOT NULL
//!
//! With `--value`, rows that have NULL get a value first: a trigger for those that are written meanwhile, a backfill for
//! those before; when you name the last migration, the trigger ends.
//!
//! Files: a constraint that is not validated, so that no new NULL comes in; its validation; and SET NOT NULL, which it
//! proves. From PostgreSQL 18 on, NOT NULL NOT VALID and its validation. No release that writes NULL may run when the
//! first one is applied, unless `--value` is given.
//!
//! Locks: ACCESS EXCLUSIVE on the table for moments; the validation lets reads and writes continue.

use crate::builder::Builder;
use crate::parts::{fill, not_null};
use crate::problem::Problem;
use crate::recipe::Recipe;

pub(super) const RECIPE: Recipe = Recipe {
    name: "set-not-null",
    source: include_str!("set_not_null.rs"),
    required: &["table", "column"],
    optional: &["value", "key"],
    one_column: true,
    build,
};

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let (column, facts) = builder.column(&table)?;
    if facts.is_some_and(|facts| facts.not_null) {
        return Err(Problem::new(format!("{}.{column} is NOT NULL already", table.name)));
    }
    builder.purpose("No row of {{ table }} has NULL in {{ column|ident }}.")?;
    let Some(value) = builder.arguments.one("value") else {
        return not_null::add(builder, &table, &column);
    };
    builder.templates.set("value", value);
    fill::name(builder, &table, &column);
    fill::begin(builder, "", "", "")?;
    fill::fill(builder, &table)?;
    not_null::add(builder, &table, &column)?;
    fill::end(builder)
}
