//! Constraints of tables, including those of PostgreSQL 18.

use tokio_postgres::Row;

use super::{Index, expression};
use crate::cursor::Cursor;
use crate::facts::{Facts, Relation, class};
use crate::quote::{bare, given_name, ident};
use crate::record::record;
use crate::text::parenthesised;
use crate::{Catalog, Error};

record! {
    /// A table's constraint.
    Constraint {
        /// `check`, `foreign key`, `primary key`, `unique`, `exclude` or `not null`.
        kind: String,
        /// The columns, in order; an exclusion constraint's elements with their operators.
        columns: Vec<String>,
        /// A check's expression.
        expression: String,
        /// The referenced table and columns.
        references: Option<References>,
        /// The index that serves it, if it has properties beyond the constraint's.
        index: Index,
        /// The last column is a period: WITHOUT OVERLAPS, or PERIOD of a foreign key (PostgreSQL 18).
        period: bool,
        /// DEFERRABLE.
        deferrable: bool,
        /// INITIALLY DEFERRED.
        initially_deferred: bool,
        /// NOT VALID.
        not_valid: bool,
        /// NOT ENFORCED (PostgreSQL 18).
        not_enforced: bool,
        /// NO INHERIT.
        no_inherit: bool,
        /// Inherited from a parent instead of defined by the table itself.
        inherited: bool,
        /// State of the triggers that enforce it, if it is not the default: `disabled`, `always`, `replica`.
        triggers: Vec<String>,
        /// COMMENT ON CONSTRAINT.
        comment: String,
    }
}

record! {
    /// The referenced end of a foreign key.
    References {
        /// The table.
        table: String,
        /// Its columns.
        columns: Vec<String>,
        /// ON UPDATE, unless it is NO ACTION.
        on_update: String,
        /// ON DELETE, unless it is NO ACTION.
        on_delete: String,
        /// The columns of ON DELETE SET NULL or SET DEFAULT, unless it is all of them (PostgreSQL 15).
        set_columns: Vec<String>,
        /// MATCH FULL.
        match_full: bool,
    }
}

pub(crate) fn sql(version: u32) -> String {
    let set_columns = if version >= 15 { "k.confdelsetcols" } else { "NULL::int2[]" };
    let (enforced, period) = if version >= 18 { ("k.conenforced", "k.conperiod") } else { ("true", "false") };
    // The rows that a foreign key has for each partition are internal.
    format!(
        "SELECT k.oid, k.conrelid, k.conname, k.contype, k.conkey, k.conindid, k.condeferrable, k.condeferred,
                k.convalidated, k.connoinherit, k.conislocal, {enforced}, {period}, k.coninhcount > 0,
                k.confrelid, k.confkey, k.confupdtype, k.confdeltype, k.confmatchtype, {set_columns},
                CASE k.contype WHEN 'x' THEN ARRAY(
                  SELECT CASE n.nspname WHEN 'pg_catalog' THEN o.oprname::text
                              ELSE pg_catalog.format('operator(%I.%s)', n.nspname, o.oprname) END
                  FROM pg_catalog.unnest(k.conexclop) WITH ORDINALITY u (op, place)
                  JOIN pg_operator o ON o.oid = u.op JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY place) END
         FROM pg_constraint k
         WHERE k.oid >= 16384 AND k.conrelid >= 16384 AND k.contype <> 't' AND (k.conparentid = 0 OR k.contype <> 'f')"
    )
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "constraints");
        let (oid, table): (u32, u32) = (cells.take()?, cells.take()?);
        let Some(relation) = facts.shown(table).cloned() else { continue };
        let (name, letter) = (cells.text()?, cells.letter()?);
        let key = columns(&relation, cells.take()?);
        let index: u32 = cells.take()?;
        let mut constraint = flags(&mut cells, relation.partition)?;
        constraint.kind = kind(letter, &name, &relation, catalog);
        constraint.columns = key;
        // It is also set for keys, where it has no meaning.
        constraint.no_inherit &= matches!(letter, 'c' | 'n');
        let has_parent: bool = cells.take()?;
        if letter == 'f' {
            let mut references = references(&mut cells, facts)?;
            references.set_columns = columns(&relation, cells.take()?);
            constraint.references = Some(references);
        } else {
            cells.skip(6);
        }
        constraint.expression = facts.expression(expression::CHECK, oid);
        let operators = cells.texts()?;
        constraint.comment = facts.comment(class::CONSTRAINT, oid);
        if matches!(letter, 'p' | 'u' | 'x') {
            facts.serving.insert(index, (table, ident(&name), operators));
        }
        facts.constraints.insert(oid, (table, ident(&name)));
        if letter == 'n' && is_plain_not_null(&constraint, has_parent, &name, &relation) {
            continue;
        }
        if letter == 'c' {
            // The columns of a check are in its expression.
            constraint.columns.clear();
        }
        if let Some(table) = catalog.relation_mut(&relation) {
            table.constraints.insert(ident(&name), constraint);
        }
    }
    Ok(())
}

fn columns(relation: &Relation, numbers: Option<Vec<i16>>) -> Vec<String> {
    let numbers = numbers.unwrap_or_default();
    numbers.into_iter().map(|number| relation.column(number).to_owned()).collect()
}

fn flags(cells: &mut Cursor<'_>, partition: bool) -> Result<Constraint, Error> {
    let mut constraint = Constraint {
        deferrable: cells.take()?,
        initially_deferred: cells.take()?,
        not_valid: !cells.take::<bool>()?,
        no_inherit: cells.take()?,
        // A restore creates its own for a partition.
        inherited: !cells.take::<bool>()? && !partition,
        not_enforced: !cells.take::<bool>()?,
        period: cells.take()?,
        ..Constraint::default()
    };
    // NOT ENFORCED implies NOT VALID.
    constraint.not_valid &= !constraint.not_enforced;
    Ok(constraint)
}

fn kind(letter: char, name: &str, relation: &Relation, catalog: &mut Catalog) -> String {
    match letter {
        'c' => "check".into(),
        'f' => "foreign key".into(),
        'p' => "primary key".into(),
        'u' => "unique".into(),
        'x' => "exclude".into(),
        'n' => "not null".into(),
        other => {
            catalog.unknown.push(format!("constraint {} of {} of kind {other}", ident(name), relation.key));
            format!("kind {other}")
        }
    }
}

fn references(cells: &mut Cursor<'_>, facts: &Facts) -> Result<References, Error> {
    let table: u32 = cells.take()?;
    let numbers: Option<Vec<i16>> = cells.take()?;
    let action = |letter: char| match letter {
        'r' => "restrict".to_owned(),
        'c' => "cascade".to_owned(),
        'n' => "set null".to_owned(),
        'd' => "set default".to_owned(),
        _ => String::new(),
    };
    let mut references = References {
        table: facts.relation(table),
        on_update: action(cells.letter()?),
        on_delete: action(cells.letter()?),
        match_full: cells.letter()? == 'f',
        ..References::default()
    };
    if let Some(relation) = facts.relations.get(&table) {
        references.columns = columns(relation, numbers);
    }
    Ok(references)
}

/// Whether a row of PostgreSQL 18 means only NOT NULL of the column, as on older servers.
fn is_plain_not_null(constraint: &Constraint, has_parent: bool, name: &str, relation: &Relation) -> bool {
    let column = constraint.columns.first().map(|column| bare(column)).unwrap_or_default();
    let plain = Constraint {
        kind: constraint.kind.clone(),
        columns: constraint.columns.clone(),
        inherited: constraint.inherited,
        ..Constraint::default()
    };
    *constraint == plain && (has_parent || name == given_name(&relation.name, &column, "not_null"))
}

impl Constraint {
    /// As readable text, without its name.
    pub(crate) fn words(&self) -> String {
        let mut words = vec![self.kind.clone()];
        if !self.expression.is_empty() {
            words.push(parenthesised(&self.expression));
        }
        if !self.columns.is_empty() {
            let mut columns = self.columns.clone();
            match (self.period, self.references.is_some(), columns.last_mut()) {
                (true, true, Some(last)) => *last = format!("period {last}"),
                (true, false, Some(last)) => last.push_str(" without overlaps"),
                _ => {}
            }
            words.push(format!("({})", columns.join(", ")));
        }
        if let Some(references) = &self.references {
            words.push(references.words());
        }
        let index = self.index.words();
        let flags = [
            (!index.is_empty(), index.as_str()),
            (self.deferrable, "deferrable"),
            (self.initially_deferred, "initially deferred"),
            (self.no_inherit, "no inherit"),
            (self.not_valid, "NOT VALID"),
            (self.not_enforced, "NOT ENFORCED"),
            (self.inherited, "inherited"),
        ];
        words.extend(flags.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()));
        words.extend(self.triggers.iter().map(|state| format!("TRIGGERS {}", state.to_uppercase())));
        words.join(" ")
    }
}

impl References {
    fn words(&self) -> String {
        let mut words = format!("references {} ({})", self.table, self.columns.join(", "));
        if self.match_full {
            words.push_str(" match full");
        }
        for (event, action) in [("update", &self.on_update), ("delete", &self.on_delete)] {
            if !action.is_empty() {
                words.push_str(&format!(" on {event} {action}"));
            }
        }
        if !self.set_columns.is_empty() {
            words.push_str(&format!(" ({})", self.set_columns.join(", ")));
        }
        words
    }
}
