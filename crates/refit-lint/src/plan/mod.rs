//! The input and output of a fix: the site of a finding in a file split into parts, and what replaces the statement or
//! the file. This module does not lint and does not know the files of a set.

mod site;

pub(crate) use site::{Alter, Site};

use crate::sequence::{Piece, Step};

/// The result of a fix.
pub(crate) enum Plan {
    /// These steps replace the statement.
    Steps(Vec<Step>),
    /// This text replaces the file's text.
    Text(String),
    /// The file is split into these groups of statements; the flag says whether each is one transaction.
    Cut(Vec<(bool, Vec<Piece>)>),
}
