//! Triggers of tables and views, and the state of those that enforce constraints.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::{Facts, class};
use crate::quote::{ident, literal};
use crate::record::record;
use crate::text::parenthesised;
use crate::{Catalog, Error};

record! {
    /// A trigger. Triggers inherited by a partition are recorded only if their state differs.
    Trigger {
        /// `before`, `after` or `instead of`.
        timing: String,
        /// `insert`, `update`, `delete`, `truncate`, in this order.
        events: Vec<String>,
        /// UPDATE OF.
        update_of: Vec<String>,
        /// FOR EACH ROW instead of STATEMENT.
        for_each_row: bool,
        /// WHEN.
        when: String,
        /// The function it calls.
        function: String,
        /// The function's arguments.
        arguments: Vec<String>,
        /// A constraint trigger.
        constraint: bool,
        /// The other table of a constraint trigger.
        from: String,
        /// DEFERRABLE.
        deferrable: bool,
        /// INITIALLY DEFERRED.
        initially_deferred: bool,
        /// REFERENCING OLD TABLE AS.
        old_table: String,
        /// REFERENCING NEW TABLE AS.
        new_table: String,
        /// `disabled`, `replica` or `always`, if it is not the default.
        state: String,
        /// From the partitioned table.
        inherited: bool,
        /// DEPENDS ON EXTENSION.
        extensions: Vec<String>,
        /// COMMENT ON TRIGGER.
        comment: String,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    "SELECT t.oid, t.tgrelid, t.tgname, t.tgtype, t.tgenabled, t.tgfoid::regproc::text, t.tgargs, t.tgattr,
            t.tgconstraint <> 0, t.tgconstrrelid, t.tgdeferrable, t.tginitdeferred, t.tgoldtable, t.tgnewtable,
            t.tgparentid <> 0, CASE WHEN t.tgqual IS NOT NULL THEN pg_catalog.pg_get_triggerdef(t.oid) END
     FROM pg_trigger t LEFT JOIN pg_trigger p ON p.oid = t.tgparentid
     WHERE t.oid >= 16384 AND (CASE WHEN t.tgparentid = 0 THEN NOT t.tgisinternal
                                    ELSE t.tgenabled <> p.tgenabled AND NOT (p.tgisinternal AND p.tgparentid = 0) END)"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "triggers");
        let (oid, table): (u32, u32) = (cells.take()?, cells.take()?);
        let Some(relation) = facts.shown(table) else { continue };
        let name = ident(cells.take()?);
        let mut trigger = kind(cells.take()?);
        trigger.state = state(cells.letter()?);
        trigger.function = cells.text()?;
        let arguments: &[u8] = cells.take()?;
        trigger.arguments = split(arguments);
        let columns: Vec<i16> = cells.take()?;
        trigger.update_of = columns.into_iter().map(|number| relation.column(number).to_owned()).collect();
        trigger.constraint = cells.take()?;
        let from: u32 = cells.take()?;
        trigger.from = if from == 0 { String::new() } else { facts.relation(from) };
        trigger.deferrable = cells.take()?;
        trigger.initially_deferred = cells.take()?;
        trigger.old_table = cells.take::<Option<&str>>()?.map(ident).unwrap_or_default();
        trigger.new_table = cells.take::<Option<&str>>()?.map(ident).unwrap_or_default();
        trigger.inherited = cells.take()?;
        trigger.when = condition(&cells.text()?);
        trigger.comment = facts.comment(class::TRIGGER, oid);
        trigger.extensions = facts.needed(class::TRIGGER, oid);
        if let Some(table) = catalog.relation_mut(relation) {
            table.triggers.insert(name, trigger);
        }
    }
    Ok(())
}

/// From the bits of `pg_trigger.tgtype`.
fn kind(bits: i16) -> Trigger {
    let timing = match bits & 0b100_0010 {
        0b000_0010 => "before",
        0b100_0000 => "instead of",
        _ => "after",
    };
    let events = [(4, "insert"), (16, "update"), (8, "delete"), (32, "truncate")];
    Trigger {
        timing: timing.into(),
        events: events
            .iter()
            .filter(|(bit, _)| bits & bit != 0)
            .map(|(_, word)| (*word).to_owned())
            .collect(),
        for_each_row: bits & 1 != 0,
        ..Trigger::default()
    }
}

/// The state of a trigger or rule.
pub(crate) fn state(letter: char) -> String {
    match letter {
        'D' => "disabled".into(),
        'R' => "replica".into(),
        'A' => "always".into(),
        _ => String::new(),
    }
}

/// Each argument ends with a zero byte.
fn split(arguments: &[u8]) -> Vec<String> {
    let mut parts: Vec<String> =
        arguments.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    parts.pop();
    parts
}

/// The WHEN condition in a definition, which no catalog function returns separately: the text in the parentheses after
/// the first WHEN that is not part of a name.
fn condition(definition: &str) -> String {
    let (mut quote, mut depth, mut begin) = (None, 0_u32, None);
    for (index, c) in definition.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('(', None) => {
                if begin.is_none() && definition[..index].ends_with(" WHEN ") {
                    begin = Some(index + 1);
                } else if begin.is_some() {
                    depth += 1;
                }
            }
            (')', None) if begin.is_some() && depth > 0 => depth -= 1,
            (')', None) => {
                if let Some(begin) = begin {
                    return definition[begin..index].to_owned();
                }
            }
            _ => {}
        }
    }
    String::new()
}

/// ALTER TABLE … DISABLE TRIGGER ALL also affects the triggers that enforce foreign keys.
pub(crate) mod enforcing {
    use super::{Catalog, Cursor, Error, Facts, Row, state};

    pub(crate) fn sql(_version: u32) -> String {
        "SELECT DISTINCT tgconstraint, tgenabled FROM pg_trigger
         WHERE tgisinternal AND tgconstraint >= 16384 AND tgenabled <> 'O'"
            .into()
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "constraint triggers");
            let Some((table, name)) = facts.constraints.get(&cells.take()?) else { continue };
            let Some(table) = facts.shown(*table).and_then(|table| catalog.relation_mut(table)) else {
                continue;
            };
            if let Some(constraint) = table.constraints.get_mut(name) {
                constraint.triggers.push(state(cells.letter()?));
                constraint.triggers.sort();
            }
        }
        Ok(())
    }
}

impl Trigger {
    /// As readable text, without its name.
    pub(crate) fn words(&self) -> String {
        let mut events = self.events.join(" or ");
        if !self.update_of.is_empty() {
            events = events.replace("update", &format!("update of {}", self.update_of.join(", ")));
        }
        let mut words = vec![self.timing.clone(), events];
        if self.constraint {
            words.insert(0, "constraint".into());
        }
        for (title, value) in
            [("from", &self.from), ("old table", &self.old_table), ("new table", &self.new_table)]
        {
            if !value.is_empty() {
                words.push(format!("{title} {value}"));
            }
        }
        if self.deferrable {
            words.push("deferrable".into());
        }
        if self.initially_deferred {
            words.push("initially deferred".into());
        }
        words.push(if self.for_each_row { "for each row" } else { "for each statement" }.into());
        if !self.when.is_empty() {
            words.push(format!("when {}", parenthesised(&self.when)));
        }
        let arguments: Vec<String> = self.arguments.iter().map(|argument| literal(argument)).collect();
        words.push(format!("execute {}({})", self.function, arguments.join(", ")));
        words.extend(crate::text::needs(&self.extensions));
        if self.inherited {
            words.push("inherited".into());
        }
        if !self.state.is_empty() {
            words.push(self.state.to_uppercase());
        }
        words.join(" ")
    }
}
