//! Running one step: a migration's text, atomic with its history row, or statement by statement.
//!
//! *Invariant*: it knows no migrator, no plan and no history; what it runs, and where it is recorded, is given.

pub(crate) mod by_statement;

mod as_client;
mod blockers;
mod down;
mod failure;
mod parts;
mod pipeline;
mod refuse;
mod step;

pub(crate) use down::Down;
pub(crate) use failure::{Attempt, Remains};
pub(crate) use pipeline::Pipelined;
pub(crate) use refuse::can_run;
pub(crate) use step::{Step, StepContext};
