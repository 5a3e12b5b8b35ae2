//! A database's schema as a value: read from the system catalogs, written as text and JSON, compared.
//!
//! ```no_run
//! # async fn example(client: &tokio_postgres::Client) -> Result<(), refit_catalog::Error> {
//! use refit_catalog::{Catalog, Delta, ReadOptions};
//!
//! let before = Catalog::read(client, &ReadOptions::default()).await?;
//! // … a migration …
//! let after = Catalog::read(client, &ReadOptions::default()).await?;
//! print!("{}", Delta::between(&before, &after).text());
//! # Ok(()) }
//! ```
//!
//! This is the only crate with queries of `pg_catalog`. It never prints, never reads the environment, never writes to a database,
//! and takes no lock beyond those of reading catalogs.
//!
//! Two databases with the same schema have the same [`Catalog`], text and digest: OIDs, dropped columns, data, statistics,
//! where sequences stand, a session's settings, who ran the migrations ([`Owners`]) and dump and restore make no difference.
//!
//! # Where PostgreSQL versions differ
//! The model is the same for PostgreSQL 14 to 18 as far as the servers are:
//! - Expressions, view queries and rules are the server's own words. From 16 on, a view's columns are written without their table
//!   where there is only one.
//! - NOT NULL has a name from 18 on (of domains, from 17). It is told where it is not the one that PostgreSQL gives; renaming a
//!   table or column makes the old name such a one.
//! - GRANT ALL covers MAINTAIN from 17 on; both are told as `ALL`.
//! - `public` is open to everybody up to 14; privileges on it are told where they differ from the server's own.
//! - An extension's version is told where it is not the one that the server installs by default.
//!
//! # What is left out
//! Passwords in user mappings (told to be there), connection strings of subscriptions, the database's name, encoding and
//! locale, roles themselves, tablespaces themselves, large objects, and whatever extensions own.

mod answers;
mod catalog;
mod cursor;
mod delta;
pub mod diagram;
mod error;
mod facts;
mod grants;
mod kinds;
mod options;
pub mod page;
mod quote;
mod record;
mod session;
mod snapshot;
mod text;

use std::collections::BTreeMap;

pub use catalog::{Catalog, FORMAT};
pub use delta::{Change, Delta, Verb};
pub use error::Error;
pub use grants::Grants;
pub use kinds::{
    Aggregate, BaseType, Column, Composite, Constraint, Database, DefaultPrivileges, Domain,
    DomainConstraint, Elsewhere, Enum, Function, Identity, Index, Numbers, Plain, Policy, Range, References,
    Rule, Schema, Sequence, Table, Trigger,
};
pub use options::{Owners, ReadOptions};
pub use snapshot::{Differences, Drift, Origin, Snapshot, differences};

/// Named values, such as storage parameters.
pub type Options = BTreeMap<String, String>;
