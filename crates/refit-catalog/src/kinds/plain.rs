//! Kinds that are fully described by a name, some properties, an owner and privileges: most of the rarely used ones.
//! Each has a file with its query and the names of its properties.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::Facts;
use crate::grants::On;
use crate::quote::ident;
use crate::record::object;
use crate::{Catalog, Error, Options};

object! {
    /// An object whose kind needs no structure of its own.
    Plain {
        /// The options of CREATE, by their names there, if they are not the default.
        properties: Options,
    }
}

/// How a kind is read.
#[derive(Clone, Copy)]
pub(crate) struct PlainKind {
    pub(crate) what: &'static str,
    pub(crate) class: u32,
    pub(crate) on: On,
    /// The catalog to check for user objects of the kind, and the condition; few databases have objects of every kind.
    pub(crate) probe: Option<&'static str>,
    /// Returns OID, schema (0 for none), name, suffix of the key, owner (0 for none), access list, one text for each of
    /// `properties`, and an array of more properties as `name=value`.
    pub(crate) sql: fn(u32) -> String,
    pub(crate) properties: &'static [&'static str],
    pub(crate) map: fn(&mut Catalog) -> &mut BTreeMap<String, Plain>,
}

impl PlainKind {
    pub(crate) fn load(&self, rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, self.what);
            let (oid, schema): (u32, u32) = (cells.take()?, cells.take()?);
            if !facts.ours(self.class, oid, schema) {
                continue;
            }
            let (name, suffix) = (cells.text()?, cells.text()?);
            let key = match (schema, name.is_empty()) {
                (0, true) => suffix,
                (0, false) => format!("{}{suffix}", ident(&name)),
                _ => format!("{}{suffix}", facts.key(schema, &name)),
            };
            let owner: u32 = cells.take()?;
            let grants = facts.grants(self.on, owner, cells.take()?);
            let mut properties = Options::new();
            for title in self.properties {
                super::types::set(&mut properties, title, cells.text()?);
            }
            properties.extend(cells.options()?);
            let plain = Plain {
                properties,
                comment: facts.comment(self.class, oid),
                owner: if owner == 0 { String::new() } else { facts.owner(owner) },
                grants,
                labels: facts.labels(self.class, oid, 0),
            };
            (self.map)(catalog).insert(key, plain);
        }
        Ok(())
    }
}
