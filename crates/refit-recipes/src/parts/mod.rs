//! What several recipes share: parts of a sequence, and checks.

pub(crate) mod checks;
pub(crate) mod constraint;
pub(crate) mod fill;
pub(crate) mod index;
pub(crate) mod not_null;
pub(crate) mod sync;
