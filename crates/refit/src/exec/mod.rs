//! Runs one step: a migration's text, atomic with its history row, or statement by statement.
//!
//! *Invariant*: nothing here depends on the migrator, the planner or the history; callers pass what to run and where to record it.

pub(crate) mod by_statement;

mod as_client;
mod blockers;
mod checked;
mod checkpoint;
mod down;
mod failure;
mod log;
mod opening;
mod parts;
mod pipeline;
mod refuse;
mod repeatable;
mod step;

pub(crate) use checkpoint::record_checkpoint;
pub(crate) use down::Down;
pub(crate) use failure::{Attempt, Remains};
pub(crate) use log::StepLog;
pub(crate) use pipeline::Pipelined;
pub(crate) use refuse::can_run;
pub(crate) use repeatable::{record_repeatable, record_repeatable_in};
pub(crate) use step::{Step, StepContext};
