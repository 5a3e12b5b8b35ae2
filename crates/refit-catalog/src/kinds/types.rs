//! Types: enums, domains, ranges and base types. Composite types have their properties here; their attributes come with
//! the columns.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use super::Column;
use crate::cursor::Cursor;
use crate::facts::{Facts, class};
use crate::grants::On;
use crate::quote::{ident, literal};
use crate::record::{object, record};
use crate::text::Sheet;
use crate::{Catalog, Error, Options};

object! {
    /// An enum.
    Enum {
        /// In order.
        values: Vec<String>,
    }
}

object! {
    /// A standalone composite type; the row types of tables are not recorded.
    Composite {
        /// In order.
        attributes: Vec<Column>,
    }
}

object! {
    /// A domain.
    Domain {
        /// The base type, with its modifiers.
        base: String,
        /// If it differs from the base type's.
        collation: String,
        /// NOT NULL.
        not_null: bool,
        /// DEFAULT.
        default: String,
        /// By name.
        constraints: BTreeMap<String, DomainConstraint>,
    }
}

record! {
    /// A domain's constraint.
    DomainConstraint {
        /// As PostgreSQL writes it.
        definition: String,
        /// COMMENT ON CONSTRAINT … ON DOMAIN.
        comment: String,
    }
}

object! {
    /// A range type.
    Range {
        /// The options of CREATE TYPE … AS RANGE: `subtype`, `collation`, `canonical`, `subtype_opclass`,
        /// `subtype_diff`, `multirange_type_name`.
        options: Options,
    }
}

object! {
    /// A base type, or a shell of one.
    BaseType {
        /// The options of CREATE TYPE: `input`, `output`, `internallength`, `alignment`, …
        options: Options,
        /// Only its name is defined so far.
        shell: bool,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    // Row types of tables and array types of other types are not recorded.
    "SELECT t.oid, t.typname, t.typnamespace, t.typtype, t.typowner, t.typacl::text[], t.typnotnull,
            CASE t.typtype WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
            CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation THEN o.collnamespace END, o.collname,
            CASE WHEN t.typtype = 'd' AND t.typdefaultbin IS NOT NULL THEN pg_catalog.pg_get_expr(t.typdefaultbin, 0) END,
            CASE t.typtype WHEN 'e' THEN ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid
                                               ORDER BY e.enumsortorder) END, t.typrelid
     FROM pg_type t LEFT JOIN pg_type b ON b.oid = t.typbasetype LEFT JOIN pg_collation o ON o.oid = t.typcollation
     LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE t.oid >= 16384 AND t.typtype IN ('c', 'd', 'e') AND (t.typrelid = 0 OR c.relkind = 'c')"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "types");
        let oid: u32 = cells.take()?;
        let (name, schema) = (cells.text()?, cells.take()?);
        if !facts.ours(class::TYPE, oid, schema) {
            continue;
        }
        let key = facts.key(schema, &name);
        let (kind, owner) = (cells.letter()?, cells.take()?);
        let grants = facts.grants(On::Type, owner, cells.take()?);
        let owner = facts.owner(owner);
        let comment = facts.comment(class::TYPE, oid);
        let labels = facts.labels(class::TYPE, oid, 0);
        let not_null = cells.take()?;
        let base = cells.text()?;
        let collation: Option<u32> = cells.take()?;
        let collation_name = cells.text()?;
        let collation = collation.map_or_else(String::new, |schema| facts.short(schema, &collation_name));
        let default = cells.text()?;
        let values = cells.texts()?;
        match kind {
            'e' => drop(catalog.enums.insert(key, Enum { values, comment, owner, grants, labels })),
            'd' => {
                facts.domains.insert(oid, (key.clone(), name));
                let constraints = BTreeMap::new();
                let domain = Domain {
                    base,
                    collation,
                    not_null,
                    default,
                    constraints,
                    comment,
                    owner,
                    grants,
                    labels,
                };
                catalog.domains.insert(key, domain);
            }
            _ => {
                let composite = catalog.composites.entry(key).or_default();
                (composite.comment, composite.owner) = (comment, owner);
                (composite.grants, composite.labels) = (grants, labels);
            }
        }
    }
    Ok(())
}

/// Constraints of domains.
pub(crate) mod constraints {
    use super::{Catalog, Cursor, DomainConstraint, Error, Facts, Row, class, ident};
    use crate::quote::given_name;

    pub(crate) fn sql(_version: u32) -> String {
        "SELECT oid, contypid, conname, contype, pg_catalog.pg_get_constraintdef(oid) FROM pg_constraint
         WHERE contypid >= 16384 AND oid >= 16384"
            .into()
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "domain constraints");
            let oid: u32 = cells.take()?;
            let Some((key, domain)) = facts.domains.get(&cells.take()?) else { continue };
            let name = cells.text()?;
            let not_null = cells.letter()? == 'n';
            let comment = facts.comment(class::CONSTRAINT, oid);
            // PostgreSQL 17 and later name constraints that older versions only have as NOT NULL.
            if not_null && comment.is_empty() && name == given_name(domain, "", "not_null") {
                continue;
            }
            let constraint = DomainConstraint { definition: cells.deparsed()?, comment };
            if let Some(domain) = catalog.domains.get_mut(key) {
                domain.constraints.insert(ident(&name), constraint);
            }
        }
        Ok(())
    }
}

/// Range types.
pub(crate) mod range {
    use super::{Catalog, Cursor, Error, Facts, Options, Range, Row, class};
    use crate::grants::On;

    pub(crate) fn sql(_version: u32) -> String {
        "SELECT t.oid, t.typname, t.typnamespace, t.typowner, t.typacl::text[], pg_catalog.format_type(r.rngsubtype, NULL),
                CASE WHEN r.rngcollation <> s.typcollation THEN r.rngcollation::regcollation::text END,
                CASE WHEN r.rngcanonical <> 0 THEN r.rngcanonical::regproc::text END,
                CASE WHEN NOT o.opcdefault THEN pg_catalog.format('%I.%I', n.nspname, o.opcname) END,
                CASE WHEN r.rngsubdiff <> 0 THEN r.rngsubdiff::regproc::text END, pg_catalog.format_type(r.rngmultitypid, NULL),
                pg_catalog.obj_description(r.rngmultitypid, 'pg_type')
         FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid JOIN pg_type s ON s.oid = r.rngsubtype
         JOIN pg_opclass o ON o.oid = r.rngsubopc JOIN pg_namespace n ON n.oid = o.opcnamespace
         WHERE r.rngtypid >= 16384"
            .into()
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "range types");
            let oid: u32 = cells.take()?;
            let (name, schema): (String, u32) = (cells.text()?, cells.take()?);
            if !facts.ours(class::TYPE, oid, schema) {
                continue;
            }
            let owner = cells.take()?;
            let grants = facts.grants(On::Type, owner, cells.take()?);
            let mut options = Options::new();
            for title in [
                "subtype",
                "collation",
                "canonical",
                "subtype_opclass",
                "subtype_diff",
                "multirange_type_name",
                "multirange comment",
            ] {
                super::set(&mut options, title, cells.text()?);
            }
            let range = Range {
                options,
                grants,
                owner: facts.owner(owner),
                comment: facts.comment(class::TYPE, oid),
                labels: facts.labels(class::TYPE, oid, 0),
            };
            catalog.ranges.insert(facts.key(schema, &name), range);
        }
        Ok(())
    }
}

/// Base types and shells.
pub(crate) mod base {
    use super::{BaseType, Catalog, Cursor, Error, Facts, Options, Row, class};
    use crate::grants::On;

    const FUNCTIONS: [(&str, &str); 8] = [
        ("input", "typinput"),
        ("output", "typoutput"),
        ("receive", "typreceive"),
        ("send", "typsend"),
        ("typmod_in", "typmodin"),
        ("typmod_out", "typmodout"),
        ("analyze", "typanalyze"),
        ("subscript", "typsubscript"),
    ];

    pub(crate) fn sql(_version: u32) -> String {
        let functions: Vec<String> = FUNCTIONS
            .iter()
            .map(|(_, column)| format!("CASE WHEN t.{column} <> 0 THEN t.{column}::regproc::text END"))
            .collect();
        format!(
            "SELECT t.oid, t.typname, t.typnamespace, t.typowner, t.typacl::text[], t.typtype = 'p', {},
                    t.typlen::text, CASE WHEN t.typbyval THEN 'true' END, t.typalign::text, t.typstorage::text,
                    t.typcategory::text, CASE WHEN t.typispreferred THEN 'true' END, t.typdefault,
                    CASE WHEN t.typelem <> 0 THEN pg_catalog.format_type(t.typelem, NULL) END, t.typdelim::text,
                    CASE WHEN t.typcollation <> 0 THEN 'true' END
             FROM pg_type t
             WHERE t.oid >= 16384 AND (t.typtype = 'b' OR t.typtype = 'p' AND NOT t.typisdefined)
               AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)",
            functions.join(", ")
        )
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "base types");
            let oid: u32 = cells.take()?;
            let (name, schema): (String, u32) = (cells.text()?, cells.take()?);
            if !facts.ours(class::TYPE, oid, schema) {
                continue;
            }
            let owner = cells.take()?;
            let grants = facts.grants(On::Type, owner, cells.take()?);
            let shell = cells.take()?;
            let mut options = Options::new();
            let titles = FUNCTIONS.iter().map(|(title, _)| *title).chain([
                "internallength",
                "passedbyvalue",
                "alignment",
                "storage",
                "category",
                "preferred",
                "default",
                "element",
                "delimiter",
                "collatable",
            ]);
            for title in titles {
                super::set(&mut options, title, cells.text()?);
            }
            if shell {
                options.clear();
            }
            let base = BaseType {
                options,
                shell,
                grants,
                owner: facts.owner(owner),
                comment: facts.comment(class::TYPE, oid),
                labels: facts.labels(class::TYPE, oid, 0),
            };
            catalog.base_types.insert(facts.key(schema, &name), base);
        }
        Ok(())
    }
}

/// Adds an option unless its value is empty.
pub(crate) fn set(options: &mut Options, name: &str, value: String) {
    if !value.is_empty() {
        options.insert(name.into(), value);
    }
}

pub(crate) fn enum_text(sheet: &mut Sheet, name: &str, found: &Enum) {
    let values: Vec<String> = found.values.iter().map(|value| literal(value)).collect();
    sheet.block(&format!("enum {name} ({})", values.join(", ")));
    sheet.tail(found);
}

pub(crate) fn domain_text(sheet: &mut Sheet, name: &str, domain: &Domain) {
    let mut head = format!("domain {name} as {}", domain.base);
    for (title, value) in [("collate", &domain.collation), ("default", &domain.default)] {
        if !value.is_empty() {
            head.push_str(&format!(" {title} {value}"));
        }
    }
    if domain.not_null {
        head.push_str(" not null");
    }
    sheet.block(&head);
    let rows = domain.constraints.iter().map(|(name, found)| {
        let comment =
            if found.comment.is_empty() { String::new() } else { format!(" -- {}", literal(&found.comment)) };
        vec![name.clone(), format!("{}{comment}", found.definition)]
    });
    sheet.table("constraints", rows.collect());
    sheet.tail(domain);
}
