//! Schemas, and default privileges.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::{FIRST, Facts, class};
use crate::grants::{Grants, On};
use crate::quote::ident;
use crate::record::{object, record};
use crate::{Catalog, Error};

object! {
    /// A schema.
    Schema {
        /// For `public`: the server's default comment was removed.
        uncommented: bool,
    }
}

record! {
    /// ALTER DEFAULT PRIVILEGES of one role, schema and kind of object.
    DefaultPrivileges {
        /// Default grants on objects that the role creates: added to the built-in ones within a schema, complete
        /// otherwise.
        grants: Grants,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    "SELECT n.oid, n.nspname, n.nspowner,
            CASE WHEN n.nspacl IS DISTINCT FROM i.initprivs THEN n.nspacl::text[] END, n.nspacl IS NULL AND i.initprivs IS NOT NULL,
            r.rolname = 'pg_database_owner' OR n.nspowner = 10
     FROM pg_namespace n LEFT JOIN pg_init_privs i ON i.classoid = 2615 AND i.objoid = n.oid AND i.privtype = 'i'
     JOIN pg_roles r ON r.oid = n.nspowner
     WHERE n.oid >= 16384 OR n.nspname = 'public'"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "schemas");
        let oid: u32 = cells.take()?;
        let name = cells.text()?;
        // The schema `public` belongs to the server.
        let own = oid < FIRST;
        if facts.is_hidden_schema(oid) || !(own || facts.ours(class::SCHEMA, oid, oid)) {
            continue;
        }
        let owner: u32 = cells.take()?;
        let grants = facts.grants(On::Schema, owner, cells.take()?);
        cells.skip(1);
        let usual_owner: bool = cells.take()?;
        let mut comment = facts.comment(class::SCHEMA, oid);
        let uncommented = own && comment.is_empty();
        if own && comment == "standard public schema" {
            comment.clear();
        }
        let owner = if own && usual_owner { String::new() } else { facts.owner(owner) };
        let labels = facts.labels(class::SCHEMA, oid, 0);
        catalog.schemas.insert(ident(&name), Schema { uncommented, comment, owner, grants, labels });
    }
    Ok(())
}

/// ALTER DEFAULT PRIVILEGES.
pub(crate) mod defaults {
    use super::{Catalog, Cursor, DefaultPrivileges, Error, Facts, On, Row};

    pub(crate) fn sql(_version: u32) -> String {
        "SELECT defaclrole, defaclnamespace, defaclobjtype, defaclacl::text[] FROM pg_default_acl".into()
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "default privileges");
            let (role, schema): (u32, u32) = (cells.take()?, cells.take()?);
            if facts.is_hidden_schema(schema) {
                continue;
            }
            let (what, on) = match cells.letter()? {
                'r' => ("tables", On::Table),
                'S' => ("sequences", On::Sequence),
                'f' => ("functions", On::Function),
                'T' => ("types", On::Type),
                'n' => ("schemas", On::Schema),
                _ => ("large objects", On::Nothing),
            };
            // Within a schema they are added to the defaults, otherwise they replace them.
            let on = if schema == 0 { on } else { On::added(on) };
            let grants = facts.grants(on, role, cells.take()?);
            let place = if schema == 0 { String::new() } else { format!(" in {}", facts.schema(schema)) };
            let key = format!("{what}{place} by {}", facts.acting_role(role));
            catalog.default_privileges.insert(key, DefaultPrivileges { grants });
        }
        Ok(())
    }
}
