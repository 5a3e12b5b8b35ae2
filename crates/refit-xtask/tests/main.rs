//! Tests of the commands as processes: one binary, a module per subject.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod support;

mod cases {
    mod adopt;
    mod approve;
    mod backfill;
    mod backup;
    mod backup_faults;
    mod backup_restore;
    mod budget;
    mod check;
    mod commands;
    mod conflicts;
    mod doc;
    mod drafts;
    mod environments;
    mod folders;
    mod graph;
    mod hooks;
    mod late;
    mod lint;
    mod lint_fix;
    mod packages;
    mod pages;
    mod placeholders;
    mod pooler;
    mod recipes;
    mod rehearse;
    mod releases;
    mod renumber;
    mod repair;
    mod report;
    mod rollback;
    mod scripts;
    mod snapshot;
    mod squash;
    mod trace;
    mod untrusted_text;
    mod verify;
}
