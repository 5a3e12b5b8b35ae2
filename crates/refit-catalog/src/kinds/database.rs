//! The database itself: its settings, including those of roles in it, comment and privileges. Encoding and locale are
//! omitted, because they are not part of its schema.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::{Facts, class};
use crate::grants::On;
use crate::record::object;
use crate::{Catalog, Error, Options};

object! {
    /// The database, without its name.
    Database {
        /// ALTER DATABASE … SET.
        settings: Options,
        /// ALTER ROLE … IN DATABASE … SET, as `role: setting`.
        role_settings: Options,
        /// CONNECTION LIMIT.
        connection_limit: Option<i32>,
        /// IS_TEMPLATE.
        is_template: bool,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    "SELECT d.oid, d.datdba, d.datacl::text[], d.datconnlimit, d.datistemplate, s.setrole, r.rolname, s.setconfig
     FROM pg_database d LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid LEFT JOIN pg_roles r ON r.oid = s.setrole
     WHERE d.datname = pg_catalog.current_database()"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "database settings");
        let (oid, owner): (u32, u32) = (cells.take()?, cells.take()?);
        let database = &mut catalog.database;
        database.grants = facts.grants(On::Database, owner, cells.take()?);
        database.comment = facts.comment(class::DATABASE, oid);
        // The owner of a database is not recorded unless all owners are.
        database.owner = facts.outer_owner(owner);
        database.connection_limit = Some(cells.take::<i32>()?).filter(|limit| *limit >= 0);
        database.is_template = cells.take()?;
        let (role, name): (Option<u32>, Option<&str>) = (cells.take()?, cells.take()?);
        let settings = cells.options()?;
        match (role, name) {
            (Some(0), _) => database.settings.extend(settings),
            (Some(_), Some(name)) => {
                let settings = settings.into_iter();
                let named = settings
                    .map(|(setting, value)| (format!("{}: {setting}", crate::quote::ident(name)), value));
                database.role_settings.extend(named);
            }
            _ => {}
        }
    }
    Ok(())
}
