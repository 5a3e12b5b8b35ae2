//! Tests of the commands as processes: one binary, a module per subject.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod support;

mod cases {
    mod adopt;
    mod backfill;
    mod backup;
    mod backup_faults;
    mod backup_restore;
    mod check;
    mod commands;
    mod environments;
    mod folders;
    mod lint;
    mod lint_fix;
    mod pooler;
    mod rehearse;
    mod repair;
    mod rollback;
    mod snapshot;
    mod trace;
    mod untrusted_text;
    mod verify;
}
