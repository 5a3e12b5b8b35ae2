//! The rules, one file each; this list and the files are all there is to them.

mod alter_enum_rename;
mod breaking;
mod drop_column;
mod drop_constraint;
mod drop_not_null_contract;
mod drop_schema;
mod drop_table;
mod rename_column;
mod rename_table;
#[cfg(test)]
pub(crate) mod testing;
mod truncate;
mod unbatched_update;

use crate::rule::Rule;

/// Every rule, by name.
pub static RULES: &[Rule] = &[
    alter_enum_rename::RULE,
    drop_column::RULE,
    drop_constraint::RULE,
    drop_not_null_contract::RULE,
    drop_schema::RULE,
    drop_table::RULE,
    rename_column::RULE,
    rename_table::RULE,
    truncate::RULE,
    unbatched_update::RULE,
];
