//! What is sent before the text of a step.

use std::time::Duration;

use super::pipeline;
use crate::preflight::Preflight;

/// The SQL before the text: begins the transaction, sets its limits, and checks that no other session holds the lock.
pub(crate) struct Opening {
    pub(crate) sql: String,
    statements: usize,
}

impl Opening {
    /// For a step that is one transaction: its text runs with the caller's search path and row security.
    pub(crate) fn transactional(
        stem: &str,
        lock_timeout: Duration,
        facts: &Preflight,
        after: Option<&str>,
    ) -> Opening {
        let caller = format!(",{}", facts.caller.settings(true));
        Opening::new(stem, lock_timeout, facts, facts.discard, after, &caller)
    }

    /// For one statement, on a session that has the caller's settings and those of the statements before it.
    pub(crate) fn of_statement(stem: &str, lock_timeout: Duration, facts: &Preflight) -> Opening {
        Opening::new(stem, lock_timeout, facts, "", None, "")
    }

    /// This session holds the lock, so its transaction can take it too. If it cannot, another session holds it: reading a setting
    /// that does not exist then fails the transaction before anything of the text runs. The same happens if `after`, the step
    /// that was sent before, was not applied.
    fn new(
        stem: &str,
        lock_timeout: Duration,
        facts: &Preflight,
        discard: &str,
        after: Option<&str>,
        more: &str,
    ) -> Opening {
        let sql = format!(
            "BEGIN;{discard}SELECT pg_catalog.set_config('lock_timeout','{}ms',true),\
             pg_catalog.set_config('application_name',{},true),\
             CASE WHEN NOT ({}) \
             THEN pg_catalog.current_setting('refit.another_session_holds_the_migration_lock'){} END{more};",
            lock_timeout.as_millis(),
            postgres_protocol::escape::escape_literal(&crate::application_name::step(stem)),
            facts.lock.all("pg_try_advisory_xact_lock"),
            after.map(pipeline::guard).unwrap_or_default(),
        );
        Opening { sql, statements: 2 + discard.matches(';').count() }
    }

    pub(crate) fn extent(&self) -> Extent {
        Extent { characters: self.sql.chars().count(), statements: self.statements }
    }
}

/// The size of the part of a message before the migration's own text.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) characters: usize,
    pub(crate) statements: usize,
}
