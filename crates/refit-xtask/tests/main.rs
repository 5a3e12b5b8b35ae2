//! Tests of the commands as processes: one binary, a module per subject.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod support;

mod cases {
    mod adopt;
    mod backfill;
    mod check;
    mod commands;
    mod folders;
    mod graph;
    mod lint;
    mod lint_fix;
    mod packages;
    mod pooler;
    mod rehearse;
    mod releases;
    mod repair;
    mod rollback;
    mod scripts;
    mod snapshot;
    mod trace;
    mod untrusted_text;
    mod verify;
}
