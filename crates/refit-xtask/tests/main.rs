//! The commands from outside: one binary, a module a subject.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

mod support;

mod cases {
    mod adopt;
    mod backfill;
    mod commands;
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
