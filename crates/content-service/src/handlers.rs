//! Request handlers, one file per resource. A handler parses its input, runs statements with parameters, and returns JSON.

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod pages;
pub(crate) mod posts;
pub(crate) mod sites;
pub(crate) mod versions;
