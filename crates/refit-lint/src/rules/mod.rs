//! The rules, one file each. To add a rule, add its file and its entry in this list.

mod added_column;
mod alter_enum_rename;
mod attach_partition;
mod backfill_undo;
mod backfill_without_range;
mod breaking;
mod check_validated;
mod column_type_change;
mod companion_files;
mod concurrently_in_transaction;
mod constraint_before_backfill;
mod constraints;
mod create_trigger;
mod default_partition;
mod detach_partition;
mod detach_with_default;
mod disable_trigger;
mod domain_check_column;
mod domain_constraint;
mod drop_column;
mod drop_constraint;
mod drop_default;
mod drop_index_concurrently;
mod drop_index_not_concurrent;
mod drop_not_null_contract;
mod drop_owned;
mod drop_routine;
mod drop_schema;
mod drop_table;
mod drop_view;
mod enum_value_in_same_transaction;
mod exclusion_constraint;
mod foreign_key_validated;
mod foreign_key_without_index;
mod identity_column;
mod index_not_concurrent;
mod inline_constraint;
mod lock_held;
mod lock_table;
mod lock_timeout_disabled;
mod misnamed_file;
mod missing_check;
mod missing_doc;
mod missing_down;
mod new_columns;
mod newer_syntax;
mod non_transactional_statement;
mod not_null_without_backfill;
mod opaque_execute;
mod overtakes_held;
mod partition_bounds;
mod prefer_bigint;
mod prefer_identity;
mod prefer_jsonb;
mod prefer_text;
mod prefer_timestamptz;
mod primary_key_constraint;
mod psql_command;
mod raw_placeholder;
mod refresh_materialized_view;
mod reindex_not_concurrent;
mod rename_column;
mod rename_object;
mod rename_table;
mod serial_column;
mod set_not_null_scan;
mod set_transaction;
mod stored_generated_column;
mod suppression_without_reason;
mod syntax_error;
mod table_rewrite;
#[cfg(test)]
pub(crate) mod testing;
mod transaction_control;
mod truncate;
mod unbatched;
mod unbatched_delete;
mod unbatched_insert;
mod unbatched_loop;
mod unbatched_merge;
mod unbatched_update;
mod unique_constraint;
mod unknown_directive;
mod unknown_rule;
mod unusable_index;
mod unused_suppression;
mod validate_in_same_transaction;
mod volatile_default;

use crate::rule::Rule;

pub(crate) use lock_held::takes_time;
pub(crate) use refit_model::quoted_name as quoted;

/// All rules, sorted by name.
pub static RULES: &[Rule] = &[
    alter_enum_rename::RULE,
    attach_partition::RULE,
    backfill_undo::RULE,
    backfill_without_range::RULE,
    check_validated::RULE,
    column_type_change::RULE,
    concurrently_in_transaction::RULE,
    constraint_before_backfill::RULE,
    create_trigger::RULE,
    default_partition::RULE,
    detach_partition::RULE,
    detach_with_default::RULE,
    disable_trigger::RULE,
    domain_check_column::RULE,
    domain_constraint::RULE,
    drop_column::RULE,
    drop_constraint::RULE,
    drop_default::RULE,
    drop_index_concurrently::RULE,
    drop_index_not_concurrent::RULE,
    drop_not_null_contract::RULE,
    drop_owned::RULE,
    drop_routine::RULE,
    drop_schema::RULE,
    drop_table::RULE,
    drop_view::RULE,
    enum_value_in_same_transaction::RULE,
    exclusion_constraint::RULE,
    foreign_key_validated::RULE,
    foreign_key_without_index::RULE,
    identity_column::RULE,
    index_not_concurrent::RULE,
    inline_constraint::RULE,
    lock_held::RULE,
    lock_table::RULE,
    lock_timeout_disabled::RULE,
    misnamed_file::RULE,
    missing_check::RULE,
    missing_doc::RULE,
    missing_down::RULE,
    newer_syntax::RULE,
    non_transactional_statement::RULE,
    not_null_without_backfill::RULE,
    opaque_execute::RULE,
    overtakes_held::RULE,
    prefer_bigint::RULE,
    prefer_identity::RULE,
    prefer_jsonb::RULE,
    prefer_text::RULE,
    prefer_timestamptz::RULE,
    primary_key_constraint::RULE,
    psql_command::RULE,
    raw_placeholder::RULE,
    refresh_materialized_view::RULE,
    reindex_not_concurrent::RULE,
    rename_column::RULE,
    rename_object::RULE,
    rename_table::RULE,
    serial_column::RULE,
    set_not_null_scan::RULE,
    set_transaction::RULE,
    stored_generated_column::RULE,
    suppression_without_reason::RULE,
    syntax_error::RULE,
    table_rewrite::RULE,
    transaction_control::RULE,
    truncate::RULE,
    unbatched_delete::RULE,
    unbatched_insert::RULE,
    unbatched_loop::RULE,
    unbatched_merge::RULE,
    unbatched_update::RULE,
    unique_constraint::RULE,
    unknown_directive::RULE,
    unknown_rule::RULE,
    unusable_index::RULE,
    unused_suppression::RULE,
    validate_in_same_transaction::RULE,
    volatile_default::RULE,
];
