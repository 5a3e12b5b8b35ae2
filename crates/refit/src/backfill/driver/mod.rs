//! Running backfills for a migrator: it applies what waited, when a backfill is complete.

mod retention;
mod undo;
mod work;

pub(crate) use undo::{plan_undo, register_undo};
