//! `serial-column`, `identity-column`: a sequence, a default for new rows, a backfill for existing rows, NOT NULL, and
//! finally the requested form.

use super::Planned;
use super::proof::short;
use super::volatile_default::{filled, stripped};
use refit_model::quoted_name as quoted;

use crate::plan::{Alter, Plan, Site};
use crate::sequence::{Runs, Step};
use crate::sql::{AlterAction, Column, Generated};
use crate::words::Words;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let alter = site.action()?;
    let AlterAction::AddColumn { column, if_not_exists: false } = alter.action() else {
        return Err("the column may already exist".to_owned());
    };
    match column.generated {
        Some(Generated::Identity) => identity(site, &alter, column),
        _ => serial(site, &alter, column),
    }
}

fn serial(site: &Site<'_>, alter: &Alter<'_>, column: &Column) -> Planned {
    let kind = column.data_type.as_ref().map_or("", |kind| kind.name.as_str());
    let base = column.serial_base().ok_or_else(|| site.elsewhere())?;
    let words = Words::of(alter.written());
    let at = words.find(0, &[kind]).ok_or_else(|| site.elsewhere())?;
    let nothing = words.all.len() + 1..words.all.len() + 1;
    let (rest, _) = stripped(column, &words, nothing)?;
    let rest = rest.replacen(words.all[at].text, base, 1);
    let sequence = Sequence::new(alter, column, "seq")?;
    let mut steps = sequence.steps(alter, column, &rest, base);
    steps.extend(filled(site, alter, column, &sequence.nextval(), true)?);
    Ok(Plan::Steps(steps))
}

fn identity(site: &Site<'_>, alter: &Alter<'_>, column: &Column) -> Planned {
    let words = Words::of(alter.written());
    let from = words.find(0, &["GENERATED"]).ok_or_else(|| site.elsewhere())?;
    let until = words.find(from, &["IDENTITY"]).ok_or_else(|| site.elsewhere())?;
    if words.all.get(until + 1).is_some_and(|word| word.text == "(") {
        return Err("its sequence has options".to_owned());
    }
    let generated = words.between(from, until).unwrap_or_default();
    let (rest, _) = stripped(column, &words, from..until)?;
    let base = column.data_type.as_ref().map_or("bigint", |kind| kind.name.as_str());
    let sequence = Sequence::new(alter, column, "fill_seq")?;
    let mut steps = sequence.steps(alter, column, &rest, base);
    steps.extend(filled(site, alter, column, &sequence.nextval(), true)?);
    let (head, name) = (alter.head(), quoted(&column.name));
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    steps.push(Step {
        runs: Runs::Apart,
        title: format!("{} {} identity", alter.table.name, column.name),
        sql: vec![
            format!("{head} ALTER COLUMN {name} DROP DEFAULT"),
            // If the column owned two sequences, pg_get_serial_sequence below would be ambiguous.
            format!("ALTER SEQUENCE {} OWNED BY NONE", sequence.written),
            format!("{head} ALTER COLUMN {name} ADD {generated}"),
            format!(
                "SELECT setval(pg_get_serial_sequence({}, {}), last_value, is_called) FROM {}",
                literal(alter.table()),
                literal(&column.name),
                sequence.written
            ),
            format!("DROP SEQUENCE {}", sequence.written),
        ],
    });
    Ok(Plan::Steps(steps))
}

/// The sequence that provides the numbers, in the table's schema.
struct Sequence {
    written: String,
}

impl Sequence {
    fn new(alter: &Alter<'_>, column: &Column, suffix: &str) -> Result<Sequence, String> {
        let name = quoted(&short(format!("{}_{}_{suffix}", alter.table.name, column.name))?);
        let schema = alter.table.schema.as_deref().map(|schema| format!("{}.", quoted(schema)));
        Ok(Sequence { written: schema.unwrap_or_default() + &name })
    }

    fn nextval(&self) -> String {
        format!("nextval('{}')", self.written.replace('\'', "''"))
    }

    /// The column without numbers, the sequence, and the default.
    fn steps(&self, alter: &Alter<'_>, column: &Column, rest: &str, base: &str) -> Vec<Step> {
        let (head, table, name) = (alter.head(), alter.table(), quoted(&column.name));
        let sequence = &self.written;
        vec![
            Step::here(alter.with(rest)),
            Step::here(format!("CREATE SEQUENCE {sequence} AS {base} OWNED BY {table}.{name}")),
            Step::here(format!("{head} ALTER COLUMN {name} SET DEFAULT {}", self.nextval())),
        ]
    }
}
