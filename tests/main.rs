//! Integration tests: one binary, with a module per subject. Each test starts from an empty database of its own on a private
//! server, and asserts on the database afterwards.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

mod support;

mod cases {
    mod adopted_workspace;
    mod ahead;
    mod apply;
    mod approvals;
    mod backfill;
    mod backfill_ends;
    mod backfill_faults;
    mod backfill_refuses;
    mod backfill_strategy;
    mod backfill_survives;
    mod budgets;
    mod by_statement;
    mod chaos;
    mod checks;
    mod connecting;
    mod content_versions;
    mod crash;
    mod drift;
    mod embed;
    mod environments;
    mod history;
    mod hooks;
    mod hostile;
    mod hostile_public;
    mod interrupted;
    mod kill;
    mod language;
    mod links;
    mod lint_conformance;
    mod lint_effects;
    mod lint_fix_proof;
    mod lint_help;
    mod lint_peer;
    mod lint_proof;
    mod lint_sets;
    mod lint_trace;
    mod outside_transaction;
    mod outside_transaction_objects;
    mod packages;
    mod placeholders;
    mod pooler;
    mod privileges;
    mod race;
    mod read_only;
    mod real_servers;
    mod recipes;
    mod rehearsal;
    mod renamed;
    mod reports;
    mod rollback;
    mod rollback_inserted;
    mod rollback_journal;
    mod rollback_rows;
    mod row_security;
    mod sample_rows;
    mod scenario_content_versions;
    mod scripts;
    mod search_paths;
    mod stopped;
    mod structure;
    mod tenants;
    mod tidy;
    mod tls;
    mod untrusted_owners;
    mod untrusted_text;
    mod upgrade;
}
