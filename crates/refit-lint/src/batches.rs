//! How a backfill walks a table: the value of its directive, and the condition that selects the range of a batch.

use refit_model::quoted_name as quoted;

use crate::schema::{ConstraintType, Schema};
use crate::sql::Name;

/// Initial number of rows per batch.
const BATCH: u32 = 10_000;

/// The batches of a table.
#[derive(Debug, Clone)]
pub struct Batches {
    /// The value of the directive `backfill`.
    pub directive: String,
    /// `id > $1 AND id <= $2`
    pub range: String,
    /// The columns of the key.
    pub key: Vec<String>,
}

impl Batches {
    /// By the table's primary key, if it is known. `alias` qualifies its columns.
    pub(crate) fn of(schema: &Schema, table: &Name, alias: Option<&str>) -> Option<Batches> {
        let constraints = &schema.table(table)?.constraints;
        let key = constraints.iter().find(|constraint| constraint.kind == ConstraintType::PrimaryKey)?;
        let key: Vec<String> = key.columns.iter().map(|column| column.to_string()).collect();
        (!key.is_empty()).then(|| Batches::by(key, table, alias))
    }

    /// By the table's primary key, or by `id` if it is not known.
    pub(crate) fn or_by_id(schema: &Schema, table: &Name) -> Batches {
        Batches::of(schema, table, None).unwrap_or_else(|| Batches::by(vec!["id".to_owned()], table, None))
    }

    /// By these columns. `alias` qualifies them.
    pub fn by(key: Vec<String>, table: &Name, alias: Option<&str>) -> Batches {
        let alias = alias.map(|alias| format!("{}.", quoted(alias))).unwrap_or_default();
        let columns: Vec<String> = key.iter().map(|name| format!("{alias}{}", quoted(name))).collect();
        let width = key.len();
        let bounds =
            |from: usize| (from..from + width).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let (lower, upper) = (bounds(1), bounds(1 + width));
        let range = match columns.as_slice() {
            [one] => format!("{one} > {lower} AND {one} <= {upper}"),
            several => {
                let columns = several.join(", ");
                format!("({columns}) > ({lower}) AND ({columns}) <= ({upper})")
            }
        };
        // The table is written as in SQL, the columns of the key as in the catalog.
        let names: Vec<String> = key.iter().map(|name| in_toml(name)).collect();
        let table = in_toml(&table.to_string());
        let directive = format!("{{ table = {table}, key = [{}], batch = {BATCH} }}", names.join(", "));
        Batches { directive, range, key }
    }
}

impl Batches {
    /// With an undo journal for these columns.
    #[must_use]
    pub fn with_undo(mut self, columns: &[&str]) -> Batches {
        let names: Vec<String> = columns.iter().map(|name| in_toml(name)).collect();
        let kept = self.directive.trim_end_matches(" }");
        self.directive = format!("{kept}, undo = [{}] }}", names.join(", "));
        self
    }

    /// With a condition that holds for rows still to be done.
    #[must_use]
    pub fn with_remaining(mut self, condition: &str) -> Batches {
        let kept = self.directive.trim_end_matches(" }");
        self.directive = format!("{kept}, remaining = {} }}", in_toml(condition));
        self
    }
}

/// A text as a TOML string.
fn in_toml(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Span;

    #[test]
    fn names_in_quotes_and_keys_of_several_columns() {
        let table =
            Name { schema: Some("app".to_owned()), name: "My \"t\"".to_owned(), span: Span::default() };
        let batches = Batches::by(vec!["userId".to_owned(), "n".to_owned()], &table, Some("T"));
        assert_eq!(
            batches.directive,
            r#"{ table = "app.\"My \"\"t\"\"\"", key = ["userId", "n"], batch = 10000 }"#
        );
        assert_eq!(
            batches.range,
            r#"("T"."userId", "T".n) > ($1, $2) AND ("T"."userId", "T".n) <= ($3, $4)"#
        );
        assert_eq!(Name::of_directive(r#"App."My ""t""""#).key(), table.key());
        assert_eq!(Name::of_directive("public.Posts").key(), "posts");
    }
}
