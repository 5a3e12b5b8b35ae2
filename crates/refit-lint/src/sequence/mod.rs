//! Sequences of files: steps, each with how it runs, become numbered migrations with directives.
//!
//! A sequence replaces a migration, or is written for one that does not exist yet ([`Parts::of_new_file`]). [`layouts`],
//! [`replace_all`] and [`cut`] decide which statements share a file: what runs the same way is one file, a backfill and a
//! slow statement outside a transaction each have their own. Every other statement keeps its order, comments and form.
//! [`numbered`] gives the files their versions, and lets what follows a backfill wait for it (`after`).
//!
//! ```
//! use refit_lint::sequence::{Original, Parts, Runs, Step, layouts, numbered};
//! use refit_model::Directives;
//!
//! let fill = Runs::Backfill(r#"{ table = "posts", key = ["id"] }"#.to_owned());
//! let steps = [
//!     Step::here("ALTER TABLE posts ADD COLUMN status text"),
//!     Step::new(fill, "fill posts.status", "UPDATE posts SET status = 'new' WHERE id > $1 AND id <= $2"),
//!     Step::new(Runs::Apart, "require posts.status", "ALTER TABLE posts ALTER COLUMN status SET NOT NULL"),
//! ];
//! let (parts, directives) = (Parts::of_new_file(""), Directives::default());
//! let original = Original::new("add_status", &parts, &directives);
//! let files = numbered(12, 4, &layouts(&original, &steps)?[0])?;
//! let names: Vec<String> = files.iter().map(|file| file.file_name()).collect();
//! assert_eq!(names[1..], ["V0013__fill_posts_status.sql", "V0014__require_posts_status.sql"]);
//! assert!(files[2].text.starts_with("-- refit: after = [\"V0013\"]\n"));
//! # Ok::<(), String>(())
//! ```

mod layout;
mod number;
mod parts;
mod step;
mod text;

pub use layout::{cut, layouts, replace_all};
pub use number::{NumberedFile, next_version, numbered};
pub use parts::{Parts, Piece, value_of, with_directive, with_references, without_directive};
pub use step::{Runs, Step};

use refit_model::Directives;

use crate::sql::Stmt;

/// The migration that a sequence replaces.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// Its name, without the version: `add_status`.
    pub name: &'a str,
    /// Its text.
    pub parts: &'a Parts,
    /// Its statements, one for each piece; none for a file that does not exist yet.
    pub stmts: &'a [Stmt],
    /// The index of the first piece that steps replace.
    pub index: usize,
    /// The directives of its front matter.
    pub directives: &'a Directives,
    /// Whether the file or its `.md` file gives the reason for it, which a contract migration has to give.
    pub explained: bool,
}

impl<'a> Original<'a> {
    /// A migration that does not exist yet.
    pub fn new(name: &'a str, parts: &'a Parts, directives: &'a Directives) -> Original<'a> {
        Original { name, parts, stmts: &[], index: 0, directives, explained: false }
    }
}

/// A file of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceFile {
    /// The name after the version.
    pub name: String,
    /// Its text, without a directive `after` for the previous file.
    pub text: String,
    /// Whether it waits for the previous file.
    pub gated: bool,
}
