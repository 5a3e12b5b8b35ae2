//! What a fix is given and what it gives: the place of a finding in a file that is taken apart, and the steps that take the
//! statement's place. Nothing in here lints, or knows the files of a set.

mod parts;
mod site;
mod step;
mod words;

pub(crate) use parts::{Parts, Piece, value_of, with_directive, with_references, without_directive};
pub(crate) use site::{Alter, Site};
pub(crate) use step::{Plan, Runs, Step};
pub(crate) use words::{Words, inserted, without_last_comment};
