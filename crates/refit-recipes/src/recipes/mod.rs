//! The recipes, one file each, in the order in which they are listed.

mod add_check;
mod add_column;
mod add_foreign_key;
mod add_index;
mod add_not_null_column;
mod add_primary_key;
mod add_unique;
mod backfill;
mod change_column_type;
mod cleanup;
mod drop_column;
mod drop_index;
mod drop_table;
mod enum_from_text;
mod json_to_columns;
mod merge_columns;
mod rename_column;
mod rename_table;
mod replace_index;
mod second_column;
mod set_not_null;
mod split_table;

use crate::recipe::Recipe;

/// All recipes.
pub static RECIPES: [Recipe; 21] = [
    add_column::RECIPE,
    add_not_null_column::RECIPE,
    set_not_null::RECIPE,
    backfill::RECIPE,
    add_index::RECIPE,
    drop_index::RECIPE,
    replace_index::RECIPE,
    add_foreign_key::RECIPE,
    add_check::RECIPE,
    add_unique::RECIPE,
    add_primary_key::RECIPE,
    rename_column::RECIPE,
    change_column_type::RECIPE,
    enum_from_text::RECIPE,
    merge_columns::RECIPE,
    json_to_columns::RECIPE,
    split_table::RECIPE,
    rename_table::RECIPE,
    drop_column::RECIPE,
    drop_table::RECIPE,
    cleanup::RECIPE,
];
