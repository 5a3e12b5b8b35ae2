//! What several fixes share: the steps that make a column NOT NULL without a scan under a strong lock, and names as the
//! server would choose them.

use crate::batches::Batches;
use crate::plan::Site;
use crate::safe::NotNull;
use crate::schema::constraint_name;
use crate::sequence::{Runs, Step};
use crate::sql::{Constraint, Name};

/// The maximum length of a name in bytes.
const LONGEST: usize = 63;

/// The steps that make a column NOT NULL: CHECK NOT VALID, VALIDATE, SET NOT NULL; from PostgreSQL 18 on, NOT NULL NOT
/// VALID and VALIDATE. `head` is the ALTER TABLE as written.
///
/// # Errors
///
/// If a name would be too long.
pub(super) fn not_null(
    site: &Site<'_>,
    head: &str,
    table: &Name,
    column: &str,
    first: Runs,
) -> Result<Vec<Step>, String> {
    let form = NotNull { head, table: &table.name, column, postgres: site.postgres };
    let name = free_name(site, table, &format!("{}_{column}_{}", table.name, form.suffix()))?;
    Ok(form.steps(&name, first))
}

/// How a backfill walks a table. `alias` qualifies its columns.
///
/// # Errors
///
/// If its primary key is not known.
pub(super) fn walked(site: &Site<'_>, table: &Name, alias: Option<&str>) -> Result<Batches, String> {
    let batches = Batches::of(site.schema, table, alias);
    batches.ok_or_else(|| format!("the primary key of {table} is not known, and batches need one"))
}

/// The name of a constraint, or the one that the server would give it.
///
/// # Errors
///
/// If it would be too long.
pub(super) fn name_of(site: &Site<'_>, table: &Name, constraint: &Constraint) -> Result<String, String> {
    match &constraint.name {
        Some(name) => Ok(name.clone()),
        None => free_name(site, table, &constraint_name(table, constraint)),
    }
}

/// A name that no constraint of a table has yet, numbered as the server does.
///
/// # Errors
///
/// If it would be too long.
pub(super) fn free_name(site: &Site<'_>, table: &Name, base: &str) -> Result<String, String> {
    let is_free = |name: &String| site.schema.constraint(table, name).is_none();
    let names = (0..100).map(|n| if n == 0 { base.to_owned() } else { format!("{base}{n}") });
    let name = names.into_iter().find(is_free).unwrap_or_else(|| base.to_owned());
    short(name)
}

pub(super) fn short(name: String) -> Result<String, String> {
    match name.len() <= LONGEST {
        true => Ok(name),
        false => Err(format!("the name {name} would be too long: choose a name")),
    }
}
