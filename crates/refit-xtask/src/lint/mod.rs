//! What `lint-migrations` does around the linter: files, levels, baseline, fixes, and traces.

pub(crate) mod baseline;
pub(crate) mod fix;
pub(crate) mod levels;
pub(crate) mod since;
pub(crate) mod sources;
pub(crate) mod trace;
