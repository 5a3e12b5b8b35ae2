//! Safe changes in several steps, written as files of a migrations folder.
//!
//! A recipe is one file of `recipes/`: its `//!` block is its page, the code builds its steps. SQL and descriptions are
//! templates that read as SQL. [`write()`] turns the steps into numbered migrations, through the module that the linter's
//! fixes use ([`refit_lint::sequence`]), each with its down file, its check and its description.
//!
//! It has no connection, clock, environment or output: what it knows of the schema is the snapshot.
//!
//! ```
//! use refit_recipes::{Arguments, Request, write};
//!
//! let mut arguments = Arguments::default();
//! arguments.set("table", ["posts"]).set("column", ["subtitle"]).set("type", ["text"]);
//! let files = write(&Request::new("add-column", "add_subtitle", &arguments))?;
//! assert_eq!(files[0].name, "V0001__add_subtitle.sql");
//! assert!(files[0].text.ends_with("ALTER TABLE posts ADD COLUMN subtitle text;\n"));
//! # Ok::<(), refit_recipes::Problem>(())
//! ```

mod arguments;
mod builder;
mod checked;
mod files;
mod names;
mod parts;
mod problem;
mod recipe;
mod recipes;
mod step;
mod table;
mod template;

pub use arguments::{Arguments, OPTIONS, Opt};
pub use files::{NewFile, Request, write};
pub use problem::Problem;
pub use recipe::{Recipe, find};
pub use recipes::RECIPES;
