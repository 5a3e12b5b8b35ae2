//! Backups before migrations: made, verified, listed, removed and restored.
//!
//! [`BackupHook`] makes a backup before the first step of a run; [`create`] makes one at any time. A backup is a restore point, a
//! dump of the tables that the run touches, a dump of the database, or whatever a program makes ([`Kind`]). [`verify`] proves
//! on a private server that a dump can be restored, and [`restore`] brings its rows back in one transaction.
//!
//! It starts `pg_dump`, `pg_restore` and the program of [`Options::command`], and nothing else. Passwords are passed in the environment,
//! never as arguments. It prints nothing and reads no environment variable.
//!
//! *Invariant*: a file has its final name only when it is complete, and a backup is on record before it begins.

mod create;
mod definitions;
mod digest;
mod doctor;
mod dump;
mod error;
mod folder;
mod hook;
mod kind;
mod list;
mod metadata;
mod options;
mod program;
mod restore;
mod restore_hook;
mod session;
mod tables;
mod tools;
mod touched;
mod verify;

pub use create::{Request, create};
pub use definitions::{TableContent, definitions, table_contents};
pub use doctor::{Diagnosis, doctor, size};
pub use error::Error;
pub use hook::{BackupHook, touched_tables};
pub use kind::Kind;
pub use list::{ListedBackup, Retention, expired, list, remove};
pub use metadata::{Backup, Dump, Snapshot, TableRows};
pub use options::{Options, Progress};
pub use restore::{Loss, RestorePlan, RestoreRequest, Restored, plan_restore, restore};
pub use restore_hook::RestoreHook;
pub use session::Identity;
pub use tables::{Column, Sequence};
pub use tools::Tool;
pub use touched::{Touched, touched};
pub use verify::{Verification, VerifiedTable, verify};
