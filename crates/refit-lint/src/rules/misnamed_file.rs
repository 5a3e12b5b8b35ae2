//! # A file whose name is not a migration's
//!
//! A file that is neither a migration, a companion file, a seed nor a settings file does not run, or runs differently than
//! intended. Plain refinery silently skips `v3__x.sql` and `V2__bad-name.sql`, cuts the name of `V1__a-b.sql` short, and runs
//! `V2__b_down.sql` as a migration. Refit refuses the folder; the linter reports the file and how to fix it.
//!
//! A file is also reported if another file of its folder has the same version, because their order is undefined.
//!
//! Migrations are named `V<version>__<name>.sql`, where the name consists of letters, digits and underscores.
//! Migrations that run again whenever they change are named `R__<name>.sql`. Files that are linted by an explicit path
//! may have any name.
//!
//! ```sql,unsafe
//! -- file: V2__add-subtitle.sql
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! ```
//!
//! ```sql,safe
//! -- file: V2__add_subtitle.sql
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! ```

use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "misnamed-file",
    source: include_str!("misnamed_file.rs"),
    severity: Some(Severity::Error),
    check: Check::Engine,
};
