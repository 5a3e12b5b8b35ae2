//! One file per resource. A handler reads its input, runs its statements with bound values, and returns a value.

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod pages;
pub(crate) mod posts;
pub(crate) mod sites;
pub(crate) mod versions;
