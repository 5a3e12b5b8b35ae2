//! Output that several commands share. The functions turn data into styled text; they do no I/O.

pub(crate) mod difference;
pub(crate) mod dry_run;
pub(crate) mod figures;
pub(crate) mod plan;
pub(crate) mod rule_page;
pub(crate) mod statement;
