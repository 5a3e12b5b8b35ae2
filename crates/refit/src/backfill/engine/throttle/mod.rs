//! Throttling: signals are sampled from the server, and a controller turns them into limits on workers and pauses.

pub(crate) mod controller;
pub(crate) mod departed;
pub(crate) mod signals;
