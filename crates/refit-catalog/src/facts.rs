//! Facts that all kinds need: names by OID, members of extensions, comments, owners. OIDs are used only here, and
//! nowhere in the model.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;
use wildmatch::WildMatch;

use crate::cursor::Cursor;
use crate::grants::{Grants, On};
use crate::kinds::{Expressions, Lane};
use crate::quote::{ident, qualified};
use crate::{Error, Options, Owners, ReadOptions};

/// OIDs of the system catalogs, as used in `pg_depend` and `pg_description`. They never change.
pub(crate) mod class {
    pub(crate) const TYPE: u32 = 1247;
    pub(crate) const PROC: u32 = 1255;
    pub(crate) const RELATION: u32 = 1259;
    pub(crate) const DATABASE: u32 = 1262;
    pub(crate) const SERVER: u32 = 1417;
    pub(crate) const USER_MAPPING: u32 = 1418;
    pub(crate) const WRAPPER: u32 = 2328;
    pub(crate) const ACCESS_METHOD: u32 = 2601;
    pub(crate) const CAST: u32 = 2605;
    pub(crate) const CONSTRAINT: u32 = 2606;
    pub(crate) const CONVERSION: u32 = 2607;
    pub(crate) const LANGUAGE: u32 = 2612;
    pub(crate) const SCHEMA: u32 = 2615;
    pub(crate) const OPERATOR_CLASS: u32 = 2616;
    pub(crate) const OPERATOR: u32 = 2617;
    pub(crate) const RULE: u32 = 2618;
    pub(crate) const TRIGGER: u32 = 2620;
    pub(crate) const OPERATOR_FAMILY: u32 = 2753;
    pub(crate) const EXTENSION: u32 = 3079;
    pub(crate) const POLICY: u32 = 3256;
    pub(crate) const STATISTICS: u32 = 3381;
    pub(crate) const COLLATION: u32 = 3456;
    pub(crate) const EVENT_TRIGGER: u32 = 3466;
    pub(crate) const TRANSFORM: u32 = 3576;
    pub(crate) const DICTIONARY: u32 = 3600;
    pub(crate) const PARSER: u32 = 3601;
    pub(crate) const CONFIGURATION: u32 = 3602;
    pub(crate) const TEMPLATE: u32 = 3764;
    pub(crate) const SUBSCRIPTION: u32 = 6100;
    pub(crate) const PUBLICATION: u32 = 6104;
}

/// The first OID of user objects (`FirstNormalObjectId`).
pub(crate) const FIRST: u32 = 16_384;

/// A relation as others refer to it.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// Schema and name, quoted.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) schema: u32,
    pub(crate) kind: char,
    pub(crate) owner: u32,
    /// Whether it is part of the model: not a member of an extension, not excluded.
    pub(crate) shown: bool,
    pub(crate) partition: bool,
    pub(crate) unlogged: bool,
    /// A sequence's comment; those of other relations are in the model.
    pub(crate) grants: Grants,
    /// Its columns by number; dropped ones leave gaps.
    pub(crate) columns: Vec<Attribute>,
}

impl Relation {
    /// The column with a number from 1; system columns are not included.
    pub(crate) fn attribute(&self, number: i16) -> Option<&Attribute> {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        index.and_then(|index| self.columns.get(index))
    }

    /// The name of the column with a number.
    pub(crate) fn column(&self, number: i16) -> &str {
        self.attribute(number).map_or("?", |column| &column.name)
    }
}

/// A column as indexes and constraints refer to it.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    /// Quoted.
    pub(crate) name: String,
    pub(crate) type_oid: u32,
    pub(crate) collation: u32,
    /// GENERATED … AS an expression.
    pub(crate) generated: bool,
}

/// The server's answers to [`QUERIES`], and what the kinds add to them.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Major version.
    pub(crate) version: u32,
    pub(crate) superuser: bool,
    pub(crate) schemas: HashMap<u32, String>,
    roles: HashMap<u32, String>,
    members: HashSet<(u32, u32)>,
    needed: HashMap<(u32, u32), Vec<String>>,
    comments: HashMap<(u32, u32, i32), String>,
    labels: HashMap<(u32, u32, i32), Vec<String>>,
    usual_owner: u32,
    owners: Owners,
    hidden_schemas: HashSet<u32>,
    hidden_tables: Vec<WildMatch>,
    /// Filled by the relations, for all kinds after them.
    pub(crate) relations: HashMap<u32, Relation>,
    /// Filled by the constraints: from index to table, constraint and exclusion operators.
    pub(crate) serving: HashMap<u32, (u32, String, Vec<String>)>,
    /// Filled by the constraints: from constraint to table and name.
    pub(crate) constraints: HashMap<u32, (u32, String)>,
    /// Filled by the indexes: table, its kind, name, and whether the index belongs to a constraint.
    pub(crate) indexes: HashMap<u32, (String, char, String, bool)>,
    /// Filled by the columns: properties of index columns.
    pub(crate) index_attributes: HashMap<u32, Vec<IndexAttribute>>,
    /// Filled by the expressions.
    pub(crate) expressions: Expressions,
    /// Filled by the functions: keys of aggregates.
    pub(crate) aggregates: HashMap<u32, String>,
    /// Filled by the types: keys and plain names of domains.
    pub(crate) domains: HashMap<u32, (String, String)>,
    /// Filled by the collations: all names, quoted.
    pub(crate) collations: HashMap<u32, String>,
    /// Filled by the operator classes: all of them.
    pub(crate) classes: HashMap<u32, Class>,
    /// Filled by the operator classes: method and input type of the default ones.
    pub(crate) default_classes: HashSet<(u32, u32)>,
}

/// Properties of an index's own column.
#[derive(Clone, Debug)]
pub(crate) struct IndexAttribute {
    /// From 1.
    pub(crate) place: i16,
    pub(crate) target: Option<i32>,
    pub(crate) options: Options,
}

/// An operator class as indexes refer to it.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    /// Quoted, with its schema unless that is `pg_catalog`.
    pub(crate) name: String,
    pub(crate) method: u32,
    pub(crate) input: u32,
    pub(crate) default: bool,
}

/// Queries that run before any kind is read, in the order in which [`Facts::new`] takes the answers.
pub(crate) const QUERIES: [(Lane, &str); 6] = [
    (Lane::Tables, "SELECT oid, nspname FROM pg_namespace"),
    (Lane::Tables, "SELECT oid, rolname, rolsuper AND rolname = current_user FROM pg_roles"),
    (Lane::Tables, "SELECT classid, objid, CASE deptype WHEN 'x' THEN (SELECT extname FROM pg_extension e WHERE e.oid = refobjid) END
     FROM pg_depend WHERE refclassid = 3079 AND deptype IN ('e', 'x')"),
    (Lane::Others, "SELECT classoid, objoid, objsubid, description FROM pg_description WHERE objoid >= 16384 OR classoid = 2615
     UNION ALL SELECT classoid, objoid, 0, description FROM pg_shdescription
     WHERE classoid = 1262 AND objoid = (SELECT oid FROM pg_database WHERE datname = pg_catalog.current_database())"),
    (Lane::Tables, "SELECT classoid, objoid, objsubid, provider || ': ' || label FROM pg_seclabel"),
    (Lane::Others, "WITH o AS (
       SELECT 1259::oid AS class, oid, relnamespace AS schema, relowner AS owner FROM pg_class
       WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'
       UNION ALL SELECT 1255, oid, pronamespace, proowner FROM pg_proc WHERE oid >= 16384
       UNION ALL SELECT 2615, oid, oid, nspowner FROM pg_namespace WHERE oid >= 16384)
     SELECT schema, owner, pg_catalog.count(*) FROM o
     WHERE (class, oid) NOT IN (SELECT classid, objid FROM pg_depend WHERE refclassid = 3079 AND deptype = 'e')
     GROUP BY schema, owner"),
];

const WHAT: &str = "names and comments";

fn patterns(names: &[String]) -> Vec<WildMatch> {
    names.iter().map(|name| WildMatch::new(name)).collect()
}

impl Facts {
    /// From the answers to [`QUERIES`].
    pub(crate) fn new(version: u32, answers: &[Vec<Row>], options: &ReadOptions) -> Result<Facts, Error> {
        let mut facts = Facts { version, owners: options.owners, ..Facts::default() };
        facts.hidden_tables = patterns(&options.exclude_tables);
        let hidden_schemas = patterns(&options.exclude_schemas);
        let [schemas, roles, members, comments, labels, owners] = answers else {
            return Ok(facts);
        };
        for row in schemas {
            let (oid, name) = named(row)?;
            let temporary = name.starts_with("pg_temp_") || name.starts_with("pg_toast");
            if temporary || hidden_schemas.iter().any(|pattern| pattern.matches(&name)) {
                facts.hidden_schemas.insert(oid);
            }
            facts.schemas.insert(oid, name);
        }
        for row in roles {
            let (oid, name) = named(row)?;
            facts.superuser |= Cursor::after(row, WHAT, 2).take::<bool>()?;
            facts.roles.insert(oid, name);
        }
        for row in members {
            let mut cells = Cursor::new(row, WHAT);
            let object = (cells.take()?, cells.take()?);
            match cells.take::<Option<&str>>()? {
                Some(extension) => facts.needed.entry(object).or_default().push(ident(extension)),
                None => drop(facts.members.insert(object)),
            }
        }
        for row in comments {
            let mut cells = Cursor::new(row, WHAT);
            facts.comments.insert((cells.take()?, cells.take()?, cells.take()?), cells.text()?);
        }
        for row in labels {
            let mut cells = Cursor::new(row, WHAT);
            let key = (cells.take()?, cells.take()?, cells.take()?);
            facts.labels.entry(key).or_default().push(cells.text()?);
        }
        facts.usual_owner = facts.usual(owners)?;
        Ok(facts)
    }

    /// The role that owns most of the included objects.
    fn usual(&self, owners: &[Row]) -> Result<u32, Error> {
        let mut owned: HashMap<u32, i64> = HashMap::new();
        for row in owners {
            let mut cells = Cursor::new(row, WHAT);
            let (schema, owner, count): (u32, u32, i64) = (cells.take()?, cells.take()?, cells.take()?);
            if !self.is_hidden_schema(schema) {
                *owned.entry(owner).or_default() += count;
            }
        }
        let most = owned.into_iter().max_by_key(|(role, count)| (*count, std::cmp::Reverse(*role)));
        Ok(most.map_or(0, |(role, _)| role))
    }

    /// Whether an object in a schema is a user's, not an extension's, and not excluded.
    pub(crate) fn ours(&self, class: u32, oid: u32, schema: u32) -> bool {
        self.ours_anywhere(class, oid) && !self.hidden_schemas.contains(&schema)
    }

    /// The same for objects without a schema.
    pub(crate) fn ours_anywhere(&self, class: u32, oid: u32) -> bool {
        oid >= FIRST && !self.members.contains(&(class, oid))
    }

    /// Whether a schema is excluded or a system schema.
    pub(crate) fn is_hidden_schema(&self, schema: u32) -> bool {
        self.hidden_schemas.contains(&schema)
    }

    /// Whether a table of this bare name is excluded.
    pub(crate) fn is_hidden_table(&self, name: &str) -> bool {
        self.hidden_tables.iter().any(|pattern| pattern.matches(name))
    }

    /// Schema and name, quoted.
    pub(crate) fn key(&self, schema: u32, name: &str) -> String {
        qualified(self.schemas.get(&schema).map_or("?", String::as_str), name)
    }

    /// Like [`Facts::key`], but without the schema for PostgreSQL's own objects.
    pub(crate) fn short(&self, schema: u32, name: &str) -> String {
        // pg_catalog
        if schema == 11 { ident(name) } else { self.key(schema, name) }
    }

    /// A schema's name, quoted.
    pub(crate) fn schema(&self, schema: u32) -> String {
        ident(self.schemas.get(&schema).map_or("?", String::as_str))
    }

    /// A relation that is part of the model.
    pub(crate) fn shown(&self, relation: u32) -> Option<&Relation> {
        self.relations.get(&relation).filter(|relation| relation.shown)
    }

    /// A relation's name, even if it is not included.
    pub(crate) fn relation(&self, relation: u32) -> String {
        self.relations.get(&relation).map_or_else(|| "?".into(), |relation| relation.key.clone())
    }

    /// An expression of an object; empty if it has none.
    pub(crate) fn expression(&self, part: char, oid: u32) -> String {
        self.expressions.of(part, oid)
    }

    /// A comment; empty if there is none.
    pub(crate) fn comment(&self, class: u32, oid: u32) -> String {
        self.comment_at(class, oid, 0)
    }

    /// A comment on a part, such as a column by its number.
    pub(crate) fn comment_at(&self, class: u32, oid: u32, part: i32) -> String {
        self.comments.get(&(class, oid, part)).cloned().unwrap_or_default()
    }

    /// Extensions that an object depends on (DEPENDS ON EXTENSION).
    pub(crate) fn needed(&self, class: u32, oid: u32) -> Vec<String> {
        let mut extensions = self.needed.get(&(class, oid)).cloned().unwrap_or_default();
        extensions.sort();
        extensions
    }

    /// Security labels of an object or a part of it.
    pub(crate) fn labels(&self, class: u32, oid: u32, part: i32) -> Vec<String> {
        let mut labels = self.labels.get(&(class, oid, part)).cloned().unwrap_or_default();
        labels.sort();
        labels
    }

    /// A role's name, quoted; `PUBLIC` if there is none.
    pub(crate) fn role(&self, role: u32) -> String {
        if role == 0 { "PUBLIC".into() } else { ident(&self.plain_role(role)) }
    }

    /// A role's name, or a placeholder if it is the usual owner, whose name does not matter.
    pub(crate) fn acting_role(&self, role: u32) -> String {
        if self.owners != Owners::All && role == self.usual_owner {
            "(owner)".into()
        } else {
            self.role(role)
        }
    }

    /// The owner as recorded in the model; empty if it is not recorded.
    pub(crate) fn owner(&self, role: u32) -> String {
        let recorded = match self.owners {
            Owners::All => true,
            // Without user objects there is no usual owner.
            Owners::Unusual => self.usual_owner != 0 && role != self.usual_owner,
            Owners::None => false,
        };
        if recorded { self.role(role) } else { String::new() }
    }

    /// The owner of an object outside the usual schemas: recorded only if all owners are.
    pub(crate) fn outer_owner(&self, role: u32) -> String {
        if self.owners == Owners::All { self.role(role) } else { String::new() }
    }

    /// Privileges, as the difference from the defaults.
    pub(crate) fn grants(&self, on: On, owner: u32, list: Option<Vec<String>>) -> Grants {
        crate::grants::read(on, self.version, &self.plain_role(owner), list)
    }

    fn plain_role(&self, role: u32) -> String {
        self.roles.get(&role).cloned().unwrap_or_else(|| role.to_string())
    }
}

fn named(row: &Row) -> Result<(u32, String), Error> {
    let mut cells = Cursor::new(row, WHAT);
    Ok((cells.take()?, cells.text()?))
}
