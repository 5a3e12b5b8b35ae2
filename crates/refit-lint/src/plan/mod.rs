//! The input and output of a fix: the site of a finding in a file split into parts, and the steps that replace the
//! statement. This module does not lint and does not know the files of a set.

mod parts;
mod site;
mod step;
mod words;

pub(crate) use parts::{Parts, Piece, value_of, with_directive, with_references, without_directive};
pub(crate) use site::{Alter, Site};
pub(crate) use step::{Plan, Runs, Step};
pub(crate) use words::{Words, inserted, without_last_comment};
