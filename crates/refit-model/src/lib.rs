//! Reads a migrations folder: file names, directives, companion files, settings, checksums, and the validated set.
//!
//! Everything in this crate is computed from bytes. Its only I/O is reading the folder ([`MigrationSet::from_dir`]): it
//! uses no connection, clock, environment or output. A folder is either a valid [`MigrationSet`] or a [`SetError`] that
//! lists *every* [`Problem`] found, each with file, line and fix.

#![warn(missing_docs)]

mod approvals;
mod backfill;
mod budget;
mod calendar;
mod check;
mod checkpoint;
mod directive;
mod environment;
mod file_name;
mod footprints;
mod hook;
mod migration;
mod name;
mod named_query;
mod order;
mod package;
mod placeholder;
mod problem;
mod promotions;
pub mod redact;
mod release;
mod server_hash;
mod set;
mod setting_keys;
mod settings;
mod source;
mod sql_text;
mod statement;
mod text;
mod untrusted;
mod variables;
pub mod wording;

pub use approvals::{
    ALLOWED_SIGNERS, APPROVALS, Approval, ApprovalCount, ApprovalRecords, ApprovalVoid, LintRecord,
    LintSeverity, SIGNATURE_NAMESPACE, SignatureState, is_approver, is_role,
};
pub use backfill::{BackfillDirective, Inserted, MAX_WORKERS, Strategy, Undo, Window};
pub use budget::{Budget, budgets_of};
pub use calendar::{FreezePeriod, LocalTime, Opening, RunWindow};
pub use check::{Check, Severity, When, checks_of};
pub use checkpoint::Checkpoint;
pub use directive::{Category, Directives, Phase, Suppression, front_matter};
pub use environment::{Approvals, Backup, Boot, Environment, unknown_zones};
pub use file_name::{FileKind, Version, is_valid_name, version_of};
pub use footprints::{Footprints, Touched, shared_objects};
pub use hook::{HookEvent, HookSettings, expected_duration};
pub use migration::{CompanionFile, Migration, MigrationFile, Repeatable, Seed};
pub use name::{fold, identifier_name, quoted_name};
pub use order::{RunOrder, SetStep, Waits, completion_order};
pub use package::PackageSpan;
pub use placeholder::{Placeholder, PlaceholderKind, is_variable_name, placeholders};
pub use problem::{Problem, SetError, same_version};
pub use promotions::{Promotion, Promotions};
pub use server_hash::server_hash;
pub use set::{HistoryDigest, MigrationSet};
pub use settings::{
    LintLevel, LintPath, LintSettings, OutOfOrder, PackageRange, Policies, Policy, Settings, VerifySettings,
    VersionStyle,
};
pub use source::{SourceFile, read_folder};
pub use sql_text::SqlText;
pub use statement::{
    ConcurrentIndex, ObjectKind, Operation, ReindexTarget, Statement, StatementKind, significant_tokens,
    split_statements,
};
pub use text::{LineIndex, Position, nearest, normalise};
pub use untrusted::{is_invisible_control, visible, visible_line};
