//! SQL that leads from one schema to another: [`statements`] compares two catalogs, [`try_out`] runs the statements on a
//! throw-away database and puts them in an order in which each succeeds.
//!
//! What no statement leads to is found by comparing afterwards: the database on which the statements were tried is read again, and
//! every difference that is left is one that cannot be drafted. A rename looks like a removal and an addition; [`candidates`] says
//! which pairs may be one, and nothing here decides it.
//!
//! No file, environment or printing. [`try_out`] is for throw-away databases only: it runs everything.

mod names;
mod objects;
mod plan;
mod rename;
mod roles;
mod summary;
mod trial;

pub use plan::Statement;
pub use rename::{Rename, candidates};
pub use roles::roles;
pub use summary::summary;
pub use trial::{Refused, Tried, try_out};

use plan::Plan;
use refit_catalog::Catalog;

/// The statements that lead from one schema to another, as far as they can be written, roughly in the order in which they can run.
///
/// `version` is the major version of the server that they are for.
///
/// ```
/// use refit_catalog::{Catalog, Sequence};
///
/// let mut after = Catalog::default();
/// after.sequences.insert("public.numbers".into(), Sequence { data_type: "bigint".into(), ..Sequence::default() });
/// let drafted = refit_drafts::statements(&Catalog::default(), &after, 17);
/// assert_eq!(drafted[0].sql, "CREATE SEQUENCE public.numbers");
/// ```
pub fn statements(before: &Catalog, after: &Catalog, version: u32) -> Vec<Statement> {
    let mut plan = Plan::new(version);
    objects::all(before, after, &mut plan);
    plan.finish()
}
