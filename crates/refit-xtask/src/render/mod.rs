//! Rendering of results for people and for programs. The functions turn data into text with styles, and formats that programs
//! read into strings; they do no I/O.

pub(crate) mod adoption;
pub(crate) mod approvals;
pub(crate) mod backfill;
pub(crate) mod backfill_status;
pub(crate) mod backups;
pub(crate) mod budgets;
pub(crate) mod checks;
pub(crate) mod difference;
pub(crate) mod doc;
pub(crate) mod draft;
pub(crate) mod dry_run;
pub(crate) mod figures;
pub(crate) mod graph;
pub(crate) mod lint;
pub(crate) mod plan;
pub(crate) mod preview;
pub(crate) mod prose;
pub(crate) mod recipes;
pub(crate) mod rehearsal;
pub(crate) mod renumber;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod rollback;
pub(crate) mod rule_page;
pub(crate) mod rules;
pub(crate) mod schema;
pub(crate) mod sheet;
pub(crate) mod statement;
pub(crate) mod status;
pub(crate) mod verification;
