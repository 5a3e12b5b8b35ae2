//! The rules, one file each; this list and the files are all there is to them.

#[cfg(test)]
pub(crate) mod testing;
mod unbatched_update;

use crate::rule::Rule;

/// Every rule, by name.
pub static RULES: &[Rule] = &[unbatched_update::RULE];
