//! Extensions. Their members are omitted everywhere else.

use super::plain::PlainKind;
use crate::facts::class;
use crate::grants::On;

pub(crate) const KIND: PlainKind = PlainKind {
    what: "extensions",
    class: class::EXTENSION,
    on: On::Nothing,
    probe: None,
    sql,
    properties: &["schema", "version", "usual comment", "own comment"],
    map: |catalog| &mut catalog.extensions,
};

pub(crate) fn sql(_version: u32) -> String {
    // A version is recorded only if it is not the one that the server would install, which differs between servers. The
    // server's own extension, plpgsql, is included.
    "SELECT greatest(e.oid, 16384::oid), 0::oid, e.extname, '', 0::oid, NULL::text[], n.nspname,
            CASE WHEN e.extversion IS DISTINCT FROM a.default_version THEN e.extversion END, a.comment,
            pg_catalog.obj_description(e.oid, 'pg_extension'), NULL::text[]
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     LEFT JOIN pg_catalog.pg_available_extensions() a ON a.name = e.extname"
        .into()
}

/// The default comment of an extension is not recorded; a different one, or none, is.
pub(crate) mod comments {
    use tokio_postgres::Row;

    use crate::facts::Facts;
    use crate::{Catalog, Error};

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        super::KIND.load(rows, facts, catalog)?;
        for extension in catalog.extensions.values_mut() {
            let usual = extension.properties.remove("usual comment").unwrap_or_default();
            // Not by OID, which here is not always the extension's.
            extension.comment = extension.properties.remove("own comment").unwrap_or_default();
            if extension.comment == usual {
                extension.comment.clear();
            } else if extension.comment.is_empty() {
                extension.properties.insert("comment".into(), "none".into());
            }
        }
        Ok(())
    }
}
