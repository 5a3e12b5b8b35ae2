//! Throttling: signals sampled beside the work, and the law that makes them into workers and pauses.

pub(crate) mod departed;
pub(crate) mod law;
pub(crate) mod signals;
