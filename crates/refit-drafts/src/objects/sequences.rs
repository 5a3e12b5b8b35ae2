//! Sequences that are not those of identity columns.

use std::collections::BTreeSet;

use refit_catalog::{Catalog, Numbers, Sequence};

use super::tail::{self, tail};
use super::{Difference, differences};
use crate::names::{last, schema, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    let renamed = renamed(before, after, plan);
    for difference in differences(&before.sequences, &after.sequences) {
        if let Difference::Removed(name, _) | Difference::Added(name, _) = difference
            && renamed.contains(name)
        {
            continue;
        }
        let (name, old, new) = match difference {
            Difference::Removed(name, old) => {
                // One that is owned is dropped with its column.
                if old.owned_by.is_empty() || still_there(&old.owned_by, after) {
                    let sql = format!("DROP SEQUENCE {}", sql(name));
                    plan.add(Phase::DropSequences, &format!("sequence {name}"), sql);
                }
                continue;
            }
            Difference::Added(name, new) => {
                let unlogged = if new.unlogged { "UNLOGGED " } else { "" };
                let sql = format!(
                    "CREATE {unlogged}SEQUENCE {}{}{}",
                    sql(name),
                    data_type(new),
                    numbers(&new.numbers)
                );
                plan.add(Phase::Sequences, &format!("sequence {name}"), sql);
                (name, None, new)
            }
            Difference::Changed(name, old, new) => {
                changed(name, old, new, plan);
                (name, Some(old), new)
            }
        };
        let owned = old.map_or("", |old| old.owned_by.as_str());
        if owned != new.owned_by {
            let by = if new.owned_by.is_empty() { "NONE".to_owned() } else { sql(&new.owned_by) };
            plan.add(
                Phase::Properties,
                &format!("sequence {name}"),
                format!("ALTER SEQUENCE {} OWNED BY {by}", sql(name)),
            );
            let place = new.owned_by.rsplit_once('.').filter(|(table, _)| before.tables.contains_key(*table));
            if let (None, Some((table, column))) = (old, place) {
                plan.begin_after_rows(&format!("sequence {name}"), &sql(table), &sql(column));
            }
        }
        tail::draft("SEQUENCE", &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
    }
}

/// Renames sequences that are the same but for their names, as after a table was renamed; returns both names of each.
fn renamed(before: &Catalog, after: &Catalog, plan: &mut Plan) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let gone = before.sequences.iter().filter(|(name, _)| !after.sequences.contains_key(*name));
    for (old, sequence) in gone.filter(|(_, sequence)| !sequence.owned_by.is_empty()) {
        let mut new = after.sequences.iter().filter(|(name, _)| !before.sequences.contains_key(*name));
        if let Some((new, _)) = new.find(|(name, one)| *one == sequence && schema(name) == schema(old)) {
            let text = format!("ALTER SEQUENCE {} RENAME TO {}", sql(old), sql(last(new)));
            plan.add(Phase::Sequences, &format!("sequence {new}"), text);
            names.extend([old.clone(), new.clone()]);
        }
    }
    names
}

/// Whether a column exists afterwards.
fn still_there(column: &str, after: &Catalog) -> bool {
    after
        .tables
        .iter()
        .any(|(table, found)| found.columns.iter().any(|one| format!("{table}.{}", one.name) == column))
}

fn changed(name: &str, old: &Sequence, new: &Sequence, plan: &mut Plan) {
    let mut parts = String::new();
    if old.data_type != new.data_type {
        parts += &format!(" AS {}", new.data_type);
    }
    parts += &changed_numbers(&old.numbers, &new.numbers);
    let object = format!("sequence {name}");
    if !parts.is_empty() {
        plan.add(Phase::Sequences, &object, format!("ALTER SEQUENCE {}{parts}", sql(name)));
    }
    if old.unlogged != new.unlogged {
        let word = if new.unlogged { "UNLOGGED" } else { "LOGGED" };
        plan.add(Phase::Sequences, &object, format!("ALTER SEQUENCE {} SET {word}", sql(name)));
    }
}

fn data_type(sequence: &Sequence) -> String {
    match sequence.data_type.as_str() {
        "bigint" | "" => String::new(),
        other => format!(" AS {other}"),
    }
}

/// The options of a new sequence.
pub(super) fn numbers(numbers: &Numbers) -> String {
    changed_numbers(&Numbers::default(), numbers)
}

/// The options that differ.
pub(super) fn changed_numbers(old: &Numbers, new: &Numbers) -> String {
    let mut parts = String::new();
    let fields = [
        ("INCREMENT BY", old.increment, new.increment, "INCREMENT BY 1"),
        ("MINVALUE", old.min, new.min, "NO MINVALUE"),
        ("MAXVALUE", old.max, new.max, "NO MAXVALUE"),
        ("START WITH", old.start, new.start, ""),
        ("CACHE", old.cache, new.cache, "CACHE 1"),
    ];
    for (word, from, to, default) in fields {
        match to {
            _ if from == to => {}
            Some(to) => parts += &format!(" {word} {to}"),
            // Without a start, a sequence starts at its lowest or highest value.
            None if default.is_empty() => {
                let downward = new.increment.is_some_and(|by| by < 0);
                let start = if downward { new.max.unwrap_or(-1) } else { new.min.unwrap_or(1) };
                parts += &format!(" START WITH {start}");
            }
            None => parts += &format!(" {default}"),
        }
    }
    if old.cycle != new.cycle {
        parts += if new.cycle { " CYCLE" } else { " NO CYCLE" };
    }
    parts
}
