//! # A file whose name is not that of a migration
//!
//! A file of the folder that is neither a migration, a sidecar, a seed nor a setting would not run, or not as it was meant:
//! `v3__x.sql` and `V2__bad-name.sql` are skipped in silence by plain refinery, `V1__a-b.sql` loses half of its name, and
//! `V2__b_down.sql` runs as a migration. Refit refuses the folder; the linter names the file and the fix.
//!
//! So is a file whose version another one of its folder has: nobody could say which of them runs first.
//!
//! Migrations are `V<version>__<name>.sql`, the name made of letters, digits and underscores; what runs again whenever it
//! changes is `R__<name>.sql`. Files that are linted by an explicit path may have any name.
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
