//! What fixes that change rows share: the directive of a backfill and the range of its batches, by the table's primary key.

use refit_model::quoted_name as quoted;

use crate::fix::Site;
use crate::schema::ConstraintType;
use crate::sql::Name;

/// Rows of a batch to begin with.
const BATCH: u32 = 10_000;

/// How a table is walked.
pub(super) struct Backfill {
    /// The directive's value.
    pub(super) directive: String,
    /// `id > $1 AND id <= $2`
    pub(super) range: String,
    /// The columns of the key.
    pub(super) key: Vec<String>,
}

/// The batches of a table. `alias` is what its columns are qualified by.
///
/// # Errors
/// When its primary key is not known, or a name in it is one that directives do not have.
pub(super) fn backfill(site: &Site<'_>, table: &Name, alias: Option<&str>) -> Result<Backfill, String> {
    let known = site.schema.table(table).map_or(&[][..], |table| &table.constraints);
    let key = known.iter().find(|constraint| constraint.kind == ConstraintType::PrimaryKey);
    let key = match key
        .map(|key| key.columns.iter().map(|column| column.to_string()).collect::<Vec<String>>())
        .filter(|columns| !columns.is_empty())
    {
        Some(key) => key,
        None => return Err(format!("no primary key of {table} is known, by which batches are cut")),
    };
    let plain = |name: &String| quoted(name) == *name;
    if !key.iter().chain([&table.name]).chain(&table.schema).all(plain) {
        return Err(format!("{table} or its key has a name in quotes, which a backfill is not told"));
    }
    let column = |name: &String| alias.map_or(name.clone(), |alias| format!("{alias}.{name}"));
    let columns: Vec<String> = key.iter().map(column).collect();
    let width = key.len();
    let bounds = |from: usize| (from..from + width).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let (lower, upper) = (bounds(1), bounds(1 + width));
    let range = match columns.as_slice() {
        [one] => format!("{one} > {lower} AND {one} <= {upper}"),
        several => {
            let columns = several.join(", ");
            format!("({columns}) > ({lower}) AND ({columns}) <= ({upper})")
        }
    };
    let names: Vec<String> = key.iter().map(|name| format!("\"{name}\"")).collect();
    let directive = format!("{{ table = \"{table}\", key = [{}], batch = {BATCH} }}", names.join(", "));
    Ok(Backfill { directive, range, key })
}
