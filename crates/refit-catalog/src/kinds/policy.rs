//! Row security policies.

use tokio_postgres::Row;

use super::expression;
use crate::cursor::Cursor;
use crate::facts::{Facts, class};
use crate::quote::ident;
use crate::record::record;
use crate::text::parenthesised;
use crate::{Catalog, Error};

record! {
    /// A policy.
    Policy {
        /// AS RESTRICTIVE.
        restrictive: bool,
        /// `select`, `insert`, `update`, `delete`; empty for all.
        command: String,
        /// TO, sorted by name; empty for all roles.
        roles: Vec<String>,
        /// USING.
        using: String,
        /// WITH CHECK.
        check: String,
        /// COMMENT ON POLICY.
        comment: String,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    "SELECT oid, polrelid, polname, polpermissive, polcmd, polroles
     FROM pg_policy"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "policies");
        let (oid, table): (u32, u32) = (cells.take()?, cells.take()?);
        let Some(relation) = facts.shown(table) else { continue };
        let name = ident(cells.take()?);
        let restrictive = !cells.take::<bool>()?;
        let command = match cells.letter()? {
            'r' => "select",
            'a' => "insert",
            'w' => "update",
            'd' => "delete",
            _ => "",
        };
        let roles: Vec<u32> = cells.take()?;
        let mut roles: Vec<String> =
            roles.into_iter().filter(|role| *role != 0).map(|role| facts.role(role)).collect();
        roles.sort();
        let policy = Policy {
            restrictive,
            command: command.into(),
            roles,
            using: facts.expression(expression::USING, oid),
            check: facts.expression(expression::WITH_CHECK, oid),
            comment: facts.comment(class::POLICY, oid),
        };
        if let Some(table) = catalog.relation_mut(relation) {
            table.policies.insert(name, policy);
        }
    }
    Ok(())
}

impl Policy {
    /// As readable text, without its name.
    pub(crate) fn words(&self) -> String {
        let mut words = vec![if self.command.is_empty() { "all".to_owned() } else { self.command.clone() }];
        if self.restrictive {
            words.insert(0, "restrictive".into());
        }
        if !self.roles.is_empty() {
            words.push(format!("to {}", self.roles.join(", ")));
        }
        for (title, expression) in [("using", &self.using), ("check", &self.check)] {
            if !expression.is_empty() {
                words.push(format!("{title} {}", parenthesised(expression)));
            }
        }
        words.join(" ")
    }
}
