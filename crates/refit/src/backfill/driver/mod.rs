//! Runs backfills for a migrator: when one is complete, the migrations that waited for it are applied.

mod overridden;
mod retention;
mod undo;
mod work;

pub(crate) use undo::{plan_undo, register_undo};
