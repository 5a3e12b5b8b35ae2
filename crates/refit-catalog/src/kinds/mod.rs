//! The kinds of objects, a file each: the query, the struct, the text. [`FIRST`],
//! [`OTHERS`] and [`WORDED`] are the order in which they are read; later ones refer to what earlier ones found.

mod access_method;
mod cast;
mod collation;
mod column;
mod constraint;
mod conversion;
mod database;
mod elsewhere;
mod event_trigger;
mod expression;
mod extension;
mod foreign_data_wrapper;
mod foreign_server;
mod function;
mod index;
mod language;
mod operator;
mod operator_class;
mod operator_family;
mod plain;
mod policy;
mod publication;
mod relation;
mod relation_text;
mod rule;
mod schema;
mod sequence;
mod statistics;
mod subscription;
mod text_search_configuration;
mod text_search_dictionary;
mod text_search_parser;
mod text_search_template;
mod transform;
mod trigger;
mod types;
mod unknown;
mod user_mapping;

use tokio_postgres::Row;

pub use column::{Column, Identity};
pub use constraint::{Constraint, References};
pub use database::Database;
pub use elsewhere::Elsewhere;
pub use function::{Aggregate, Function};
pub use index::Index;
pub use plain::Plain;
pub use policy::Policy;
pub use relation::Table;
pub use rule::Rule;
pub use schema::{DefaultPrivileges, Schema};
pub use sequence::{Numbers, Sequence};
pub use trigger::Trigger;
pub use types::{BaseType, Composite, Domain, DomainConstraint, Enum, Range};

pub(crate) use expression::{Expressions, words};
pub(crate) use function::text as function_text;
pub(crate) use relation_text::text as relation_text;
pub(crate) use sequence::text as sequence_text;
pub(crate) use types::{domain_text, enum_text};

use crate::facts::Facts;
use crate::{Catalog, Error};

/// Which of the two sessions runs a query: each does about half of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Tables,
    Others,
}

/// How a kind is read: the query for a major version, and the function that stores its rows.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    Own { lane: Lane, what: &'static str, probe: Option<&'static str>, sql: fn(u32) -> String, load: Load },
    Plain(&'static plain::PlainKind),
}

type Load = fn(&[Row], &mut Facts, &mut Catalog) -> Result<(), Error>;

impl Reader {
    pub(crate) fn query(self, version: u32) -> (&'static str, String) {
        match self {
            Reader::Own { what, sql, .. } => (what, sql(version)),
            Reader::Plain(kind) => (kind.what, (kind.sql)(version)),
        }
    }

    pub(crate) fn lane(self) -> Lane {
        match self {
            Reader::Own { lane, .. } => lane,
            Reader::Plain(_) => Lane::Others,
        }
    }

    /// A catalog, and the condition for rows in it that make the query necessary.
    pub(crate) fn probe(self) -> Option<&'static str> {
        match self {
            Reader::Own { probe, .. } => probe,
            Reader::Plain(kind) => kind.probe,
        }
    }

    pub(crate) fn load(self, rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        match self {
            Reader::Own { load, .. } => load(rows, facts, catalog),
            Reader::Plain(kind) => kind.load(rows, facts, catalog),
        }
    }
}

macro_rules! own {
    ($lane:ident, $what:literal, $($module:ident)::+) => { own!($lane, $what, None, $($module)::+) };
    ($lane:ident, $what:literal, if $probe:literal, $($module:ident)::+) => {
        own!($lane, $what, Some($probe), $($module)::+)
    };
    ($lane:ident, $what:literal, $probe:expr, $($module:ident)::+) => {
        Reader::Own {
            lane: Lane::$lane,
            what: $what,
            probe: $probe,
            sql: $($module)::+::sql,
            load: $($module)::+::load,
        }
    };
}

/// Kinds that all others refer to, with expressions last.
pub(crate) const FIRST: &[Reader] = &[
    own!(Tables, "tables and views", relation),
    own!(Others, "collations", collation::names),
    own!(Tables, "columns", column),
    own!(Tables, "expressions", expression),
];

/// Kinds that do not need deparsed expressions, in order: later ones refer to results of earlier ones.
pub(crate) const OTHERS: &[Reader] = &[
    own!(Tables, "inheritance", if "pg_inherits", relation::parents),
    own!(Tables, "sequences", sequence),
    own!(Others, "operator classes", operator_class::names),
    own!(Others, "database settings", database),
    own!(Others, "schemas", schema),
    own!(Others, "default privileges", if "pg_default_acl", schema::defaults),
    own!(Others, "functions", function),
    own!(Others, "aggregates", if "pg_aggregate WHERE aggfnoid::oid >= 16384", function::aggregate),
    own!(Others, "types", types),
    own!(Others, "domain constraints", if "pg_constraint WHERE contypid >= 16384", types::constraints),
    own!(Others, "range types", if "pg_range WHERE rngtypid >= 16384", types::range),
    // Except arrays, which array_in reads.
    own!(
        Others, "base types",
        if "pg_type WHERE oid >= 16384 AND (typtype = 'b' AND typinput::oid <> 750 OR NOT typisdefined)",
        types::base
    ),
    own!(Others, "privileges", elsewhere),
    own!(Others, "unknown objects", unknown),
    Reader::Own {
        lane: Lane::Others,
        what: "extensions",
        probe: None,
        sql: extension::sql,
        load: extension::comments::load,
    },
    Reader::Plain(&collation::KIND),
    Reader::Plain(&language::KIND),
    Reader::Plain(&transform::KIND),
    Reader::Plain(&access_method::KIND),
    Reader::Plain(&conversion::KIND),
    Reader::Plain(&cast::KIND),
    Reader::Plain(&operator::KIND),
    Reader::Plain(&operator_class::KIND),
    Reader::Plain(&operator_family::KIND),
    Reader::Plain(&text_search_parser::KIND),
    Reader::Plain(&text_search_template::KIND),
    Reader::Plain(&text_search_dictionary::KIND),
    Reader::Plain(&text_search_configuration::KIND),
    Reader::Plain(&foreign_data_wrapper::KIND),
    Reader::Plain(&foreign_server::KIND),
    Reader::Plain(&user_mapping::KIND),
    Reader::Plain(&event_trigger::KIND),
    Reader::Plain(&publication::KIND),
    Reader::Plain(&subscription::KIND),
    Reader::Plain(&statistics::KIND),
];

/// Kinds that need deparsed expressions, in order.
pub(crate) const WORDED: &[Reader] = &[
    own!(Tables, "constraints", constraint),
    own!(Tables, "indexes", index),
    own!(Others, "triggers", trigger),
    own!(Others, "constraint triggers", trigger::enforcing),
    own!(Tables, "policies", policy),
    own!(Tables, "rules", rule),
    // The most expensive query.
    own!(Others, "views", relation::queries),
];

/// Queries which of [`OTHERS`] with a probe exist, in order.
pub(crate) fn filled() -> String {
    let probes = OTHERS.iter().filter_map(|kind| kind.probe());
    let probes: Vec<String> = probes.map(|rows| format!("EXISTS (SELECT FROM {rows})")).collect();
    format!("SELECT ARRAY[{}]", probes.join(", "))
}
