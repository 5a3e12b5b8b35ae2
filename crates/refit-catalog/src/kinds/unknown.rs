//! Objects that the model does not support, by name: objects in catalogs that no query here reads, and kinds of
//! relations and types that did not exist when this was written.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::Facts;
use crate::{Catalog, Error};

/// Catalogs that the kinds read, or that hold no schema: data, statistics, objects shared by all databases.
const KNOWN: &str = "pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_authid pg_cast pg_class \
pg_collation pg_constraint pg_conversion pg_database pg_db_role_setting pg_default_acl pg_depend pg_description pg_enum \
pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_index pg_inherits pg_init_privs \
pg_language pg_largeobject pg_largeobject_metadata pg_namespace pg_opclass pg_operator pg_opfamily pg_parameter_acl \
pg_partitioned_table pg_policy pg_proc pg_publication pg_publication_namespace pg_publication_rel pg_range \
pg_replication_origin pg_rewrite pg_seclabel pg_sequence pg_shdepend pg_shdescription pg_shseclabel pg_statistic \
pg_statistic_ext pg_statistic_ext_data pg_subscription pg_subscription_rel pg_tablespace pg_transform pg_trigger \
pg_ts_config pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user_mapping";

pub(crate) fn sql(_version: u32) -> String {
    let known: Vec<String> = KNOWN.split_whitespace().map(|name| format!("'{name}'")).collect();
    format!(
        "SELECT pg_catalog.format('objects in %s', relname) FROM pg_class
         WHERE relnamespace = 11 AND relkind = 'r' AND relname NOT IN ({}) AND reltuples <> 0
         UNION ALL SELECT pg_catalog.format('relation %s of kind %s', oid::regclass, relkind) FROM pg_class
         WHERE oid >= 16384 AND relkind NOT IN ('r', 'p', 'f', 'v', 'm', 'S', 'c', 'i', 'I', 't')
         UNION ALL SELECT pg_catalog.format('type %s of kind %s', pg_catalog.format_type(oid, NULL), typtype) FROM pg_type
         WHERE oid >= 16384 AND typtype NOT IN ('b', 'c', 'd', 'e', 'm', 'p', 'r')",
        known.join(", ")
    )
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        catalog.unknown.push(Cursor::new(row, "unknown objects").text()?);
    }
    if facts.version > 18 {
        catalog.unknown.push(format!(
            "additions of PostgreSQL {}; 18 is the latest version that the model supports",
            facts.version
        ));
    }
    catalog.unknown.sort();
    Ok(())
}
