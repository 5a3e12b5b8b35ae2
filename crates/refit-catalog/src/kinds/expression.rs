//! Expressions of defaults, checks, indexes and policies, as the server writes them.
//!
//! Deparsing takes most of the server's time: for every expression, it loads all metadata of the table. Most schemas
//! have the same expression in many tables, so equal ones are deparsed once: those with the same parsed form, in tables
//! whose columns have the same names at the same positions. The server is first asked for the parsed forms and then,
//! while it works on other queries, for the text of one of each. Expressions that reference a whole row are deparsed
//! separately.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::Facts;
use crate::{Catalog, Error};

/// The part of an object that an expression belongs to; the object is an OID.
pub(crate) const DEFAULT: char = 'd';
pub(crate) const CHECK: char = 'c';
pub(crate) const PREDICATE: char = 'w';
pub(crate) const INDEXED: char = 'x';
pub(crate) const USING: char = 'u';
pub(crate) const WITH_CHECK: char = 'k';

/// The position of a part.
struct Part {
    letter: char,
    catalog: &'static str,
    oid: &'static str,
    relation: &'static str,
    /// The column that it belongs to, if any.
    column: &'static str,
    tree: &'static str,
    and: &'static str,
}

const PARTS: [Part; 6] = {
    const fn part(letter: char, catalog: &'static str, [oid, relation, tree]: [&'static str; 3]) -> Part {
        Part { letter, catalog, oid, relation, column: "0", tree, and: "" }
    }
    let index = "pg_index";
    // If an index has several, each is read separately, by the indexes.
    let single = "AND pg_catalog.array_length(pg_catalog.array_positions(indkey::int2[], 0::int2), 1) = 1";
    [
        Part { column: "adnum", ..part(DEFAULT, "pg_attrdef", ["oid", "adrelid", "adbin"]) },
        part(CHECK, "pg_constraint", ["oid", "conrelid", "conbin"]),
        part(PREDICATE, index, ["indexrelid", "indrelid", "indpred"]),
        Part { and: single, ..part(INDEXED, index, ["indexrelid", "indrelid", "indexprs"]) },
        part(USING, "pg_policy", ["oid", "polrelid", "polqual"]),
        part(WITH_CHECK, "pg_policy", ["oid", "polrelid", "polwithcheck"]),
    ]
};

/// One of several equal expressions, and all of them.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    /// Each expression's index in `words`.
    places: HashMap<(char, u32), usize>,
    /// The index of the one that is deparsed.
    asked: Vec<(char, u32)>,
    words: Vec<String>,
    /// Defaults: relation, column, and the expression's object.
    defaults: Vec<(u32, i16, u32)>,
}

impl Expressions {
    /// The expression of an object's part; empty if it has none.
    pub(crate) fn of(&self, part: char, oid: u32) -> String {
        let words = self.places.get(&(part, oid)).and_then(|place| self.words.get(*place));
        words.cloned().unwrap_or_default()
    }
}

pub(crate) fn sql(_version: u32) -> String {
    let one = |part: &Part| {
        let Part { letter, catalog, oid, relation, column, tree, and } = part;
        format!(
            "SELECT '{letter}'::\"char\", {oid}, {relation}, {column}::int2, {tree}::text
             FROM {catalog} WHERE {tree} IS NOT NULL AND {relation} >= 16384 {and}"
        )
    };
    PARTS.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ")
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, _catalog: &mut Catalog) -> Result<(), Error> {
    let mut expressions = Expressions::default();
    // Tables whose columns have the same names at the same positions.
    let mut layouts: HashMap<Vec<&str>, u32> = HashMap::new();
    let mut layout_of: HashMap<u32, u32> = HashMap::new();
    let mut equal: HashMap<(char, u32), HashMap<String, usize>> = HashMap::new();
    let mut form = String::new();
    for row in rows {
        let mut cells = Cursor::new(row, "expressions");
        let (part, oid, table): (char, u32, u32) = (cells.letter()?, cells.take()?, cells.take()?);
        let Some(relation) = facts.shown(table) else { continue };
        let (column, tree): (i16, &str) = (cells.take()?, cells.take()?);
        if part == DEFAULT {
            expressions.defaults.push((table, column, oid));
        }
        let layout = *layout_of.entry(table).or_insert_with(|| {
            let names = relation.columns.iter().map(|column| column.name.as_str()).collect();
            let next = u32::try_from(layouts.len()).unwrap_or(u32::MAX);
            *layouts.entry(names).or_insert(next)
        });
        let new = expressions.asked.len();
        let place = if tree.contains(WHOLE_ROW) {
            new
        } else {
            placeless(tree, &mut form);
            let equal = equal.entry((part, layout)).or_default();
            equal.get(&form).copied().unwrap_or_else(|| {
                equal.insert(form.clone(), new);
                new
            })
        };
        if place == new {
            expressions.asked.push((part, oid));
        }
        expressions.places.insert((part, oid), place);
    }
    facts.expressions = expressions;
    Ok(())
}

/// In a parsed form, a variable that stands for the whole row.
const WHOLE_ROW: &str = ":varattno 0 ";

/// In a parsed form, the prefix of a position in the source text; up to PostgreSQL 16, and -1 since.
const LOCATION: &str = ":location ";

/// Removes the positions in the source text from a parsed form: they differ between equal expressions of one script.
fn placeless(tree: &str, form: &mut String) {
    form.clear();
    let mut pieces = tree.split(LOCATION);
    form.extend(pieces.next());
    form.extend(pieces.map(|piece| piece.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit())));
}

/// The deparsed text.
pub(crate) mod words {
    use super::{BTreeMap, Catalog, Cursor, Error, Facts, HashMap, PARTS, Part, Row};

    /// `None` if there are no expressions.
    pub(crate) fn sql(facts: &Facts) -> Option<String> {
        let mut asked: BTreeMap<char, Vec<String>> = BTreeMap::new();
        for (part, oid) in &facts.expressions.asked {
            asked.entry(*part).or_default().push(oid.to_string());
        }
        let one = |part: &Part| {
            let Part { letter, catalog, oid, relation, tree, .. } = part;
            let oids = asked.get(letter)?.join(",");
            Some(format!(
                "SELECT '{letter}'::\"char\", {oid}, pg_catalog.pg_get_expr({tree}, {relation}) FROM {catalog}
                 WHERE {oid} = ANY ('{{{oids}}}'::oid[])"
            ))
        };
        let parts: Vec<String> = PARTS.iter().filter_map(one).collect();
        (!parts.is_empty()).then(|| parts.join(" UNION ALL "))
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        let mut answers = HashMap::with_capacity(rows.len());
        for row in rows {
            let mut cells = Cursor::new(row, "expressions");
            answers.insert((cells.letter()?, cells.take::<u32>()?), cells.deparsed()?);
        }
        let words = facts.expressions.asked.iter().map(|key| answers.remove(key).unwrap_or_default());
        facts.expressions.words = words.collect();
        for (relation, number, oid) in &facts.expressions.defaults {
            let Some(relation) = facts.shown(*relation) else { continue };
            let Some(attribute) = relation.attribute(*number) else { continue };
            let expression = facts.expression(super::DEFAULT, *oid);
            let Some(column) = catalog.column_mut(relation, &attribute.name) else { continue };
            if attribute.generated {
                column.generated = expression;
            } else {
                column.default = expression;
            }
        }
        Ok(())
    }
}
