//! Backfills at work: what knows the migrator, because gates open when a backfill is complete.

mod retention;
mod undo;
mod work;

pub(crate) use undo::{plan_undo, register_undo};
