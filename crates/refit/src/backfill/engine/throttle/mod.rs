//! Throttling: signals sampled beside the work, and the controller that makes them into workers and pauses.

pub(crate) mod controller;
pub(crate) mod departed;
pub(crate) mod signals;
