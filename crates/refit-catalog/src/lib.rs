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
//! This is the only crate that queries `pg_catalog`. It does not print, read the environment or write to a database,
//! and takes only the locks that reading catalogs needs.
//!
//! Two databases with the same schema have the same [`Catalog`], text and digest, regardless of OIDs, dropped columns,
//! data, statistics, current values of sequences, a session's settings, the role that ran the migrations ([`Owners`]),
//! and dump and restore.
//!
//! # Where PostgreSQL versions differ
//! The model is the same for PostgreSQL 14 to 18, with these differences between the servers:
//! - Expressions, view queries and rules are as the server writes them. From 16 on, a view's columns are written without their
//!   table if there is only one.
//! - NOT NULL has a name from 18 on (for domains, from 17). It is recorded if it differs from the one that PostgreSQL generates;
//!   renaming a table or column makes the old name differ.
//! - GRANT ALL includes MAINTAIN from 17 on; both are recorded as `ALL`.
//! - All roles can create objects in `public` up to 14; privileges on it are recorded if they differ from the server's default.
//! - An extension's version is recorded if it is not the server's default version.
//!
//! # What is left out
//! Passwords in user mappings (only their existence is recorded), connection strings of subscriptions, the database's
//! name, encoding and locale, roles, tablespaces, large objects, and everything that extensions own.

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
pub use quote::{bare, ident};
pub use snapshot::{Differences, Drift, Origin, Snapshot, differences};

/// Named values, such as storage parameters.
pub type Options = BTreeMap<String, String>;
