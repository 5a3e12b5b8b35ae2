//! Rules, except those that implement views.

use tokio_postgres::Row;

use super::trigger::state;
use crate::cursor::Cursor;
use crate::facts::{Facts, class};
use crate::quote::ident;
use crate::record::record;
use crate::{Catalog, Error};

record! {
    /// A rewrite rule.
    Rule {
        /// From ON, as PostgreSQL writes it.
        definition: String,
        /// `disabled`, `replica` or `always`, if it is not the default.
        state: String,
        /// COMMENT ON RULE.
        comment: String,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    "SELECT r.oid, r.ev_class, r.rulename, r.ev_enabled, pg_catalog.quote_ident(r.rulename), pg_catalog.pg_get_ruledef(r.oid)
     FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class AND c.relpersistence <> 't'
     WHERE r.oid >= 16384 AND r.rulename <> '_RETURN'"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "rules");
        let (oid, table): (u32, u32) = (cells.take()?, cells.take()?);
        let Some(relation) = facts.shown(table) else { continue };
        let name = ident(cells.take()?);
        let state = state(cells.letter()?);
        let opening = format!("CREATE RULE {} AS", cells.text()?);
        let definition = cells.deparsed()?;
        let definition = definition.strip_prefix(&opening).unwrap_or(&definition).trim().to_owned();
        if let Some(table) = catalog.relation_mut(relation) {
            table.rules.insert(name, Rule { definition, state, comment: facts.comment(class::RULE, oid) });
        }
    }
    Ok(())
}

impl Rule {
    /// As readable text, without its name.
    pub(crate) fn words(&self) -> String {
        let state =
            if self.state.is_empty() { String::new() } else { format!(" {}", self.state.to_uppercase()) };
        format!("{}{state}", self.definition)
    }
}
