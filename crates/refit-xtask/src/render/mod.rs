//! What commands print, where several print the same. Data in, text with styles out: nothing here connects, reads or writes.

pub(crate) mod difference;
pub(crate) mod dry_run;
pub(crate) mod figures;
pub(crate) mod plan;
pub(crate) mod rule_page;
pub(crate) mod statement;
