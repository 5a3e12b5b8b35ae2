//! Errors: what happened, where, and what to do.

mod drift;
mod hint;
mod refusal;
mod source;
mod statement;
mod text;
mod undo_refusal;

use std::time::Duration;

use refit_model::wording::{counted, plural};
use refit_model::{Position, SetError};

use crate::environment_gate::EnvironmentGate;
pub(crate) use drift::summary as drift_summary;
pub(crate) use hint::statement as statement_hint;
pub use refusal::Refusal;
pub(crate) use refusal::repair_commands;
pub use source::{ConnectError, DatabaseError};
pub use statement::StatementError;
pub(crate) use text::{chain, describe, shown, unknown_name};
use text::{gate_lines, refusals, seconds, undo_refusals};
pub use undo_refusal::UndoRefusal;

/// An error of planning, applying or connecting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder is malformed.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The URL cannot be used.
    #[error("invalid database URL: {0}")]
    Url(String),
    /// The server could not be reached, or refused the connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// User, host, port and database, without secrets.
        address: String,
        /// The number of attempts.
        attempts: usize,
        /// Why the last attempt failed, and the next step.
        source: ConnectError,
    },
    /// A certificate or key cannot be used, or the TLS parameters of the URL contradict each other.
    #[error("tls: {reason}")]
    Tls {
        /// What cannot be used, and what to do.
        reason: String,
        /// The error of rustls or of the operating system, if there is one.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A statement of a migration failed.
    #[error(transparent)]
    Statement(Box<StatementError>),
    /// The history does not match the set, and the policies refuse that.
    #[error("{}", refusals(.0))]
    Refused(Vec<Refusal>),
    /// The rollback was refused: some migrations cannot be undone.
    #[error("{}", undo_refusals(.0))]
    RollbackRefused(Vec<UndoRefusal>),
    /// Gates of the environment are closed.
    #[error("refused by the environment {environment}:\n  {}", gate_lines(.gates))]
    Gated {
        /// The environment.
        environment: String,
        /// The closed gates: what opens each, and when.
        gates: Vec<EnvironmentGate>,
    },
    /// The window of the environment closed during a run. The steps before stay.
    #[error(
        "stopped before {next}, since the environment {environment} does not admit it any longer; {} of this run {} complete, and the \
         next run continues:\n  {}",
        counted(*.done, "step"), plural(*.done, "is", "are"), gate_lines(.gates)
    )]
    GateClosed {
        /// The environment.
        environment: String,
        /// How many steps the run has completed.
        done: usize,
        /// The step that would have been next, without `.sql`.
        next: String,
        /// The closed gates: what opens each, and when.
        gates: Vec<EnvironmentGate>,
    },
    /// Migrations are pending, and a boot may not apply them here.
    #[error(
        "{} pending, and the environment {environment} has `boot = \"check\"`: {}; apply with \
         `cargo xtask migrate --environment {environment}`, then start again",
        counted(.pending.len(), "migration") + plural(.pending.len(), " is", " are"), .pending.join(", ")
    )]
    Pending {
        /// The environment.
        environment: String,
        /// The pending migrations, in order, without `.sql`.
        pending: Vec<String>,
    },
    /// The server is a standby, or the session is read-only, and there is something to do.
    #[error("{why}, and {pending}: {first}; {hint}")]
    ReadOnly {
        /// Why the session cannot write.
        why: &'static str,
        /// How many migrations are pending, or to be undone, as text.
        pending: String,
        /// The first of them.
        first: String,
        /// The next step.
        hint: &'static str,
    },
    /// The connection goes through a connection pooler, but the work requires a session.
    #[error(
        "connected through a connection pooler, which may switch sessions between transactions; \
         connect to the server itself, or set --session-pooler (Migrator::session_pooler) if the pooler keeps one \
         session per client"
    )]
    Pooler,
    /// The session is in a transaction of the caller.
    #[error(
        "the session is in a transaction, which Refit would end; commit it first, or use another connection"
    )]
    InTransaction,
    /// Row-level security hides rows of the history from this role.
    #[error(
        "row-level security hides rows of {table} from this role, so Refit cannot determine what is applied; \
         use the role that owns the table (without FORCE ROW LEVEL SECURITY), or one with BYPASSRLS"
    )]
    RowSecurity {
        /// The table.
        table: String,
    },
    /// The role lacks privileges on objects of Refit's own.
    #[error(
        "{refused}; as the owner, run `{}`; or keep Refit's records in a schema of your own instead of {state_schema} \
         (--state-schema, `state_schema` in refit.toml, Migrator::state_schema)",
        .grants.join("; ")
    )]
    Rights {
        /// The statement that the server rejected, and its message.
        refused: String,
        /// The statements that grant the missing privileges.
        grants: Vec<String>,
        /// The state's schema.
        state_schema: String,
    },
    /// The history's table or the state's schema belongs to a role that is not trusted.
    #[error(
        "{object} belongs to the role {owner}, whose triggers would run with the rights of this one; if that is intended, change \
         its owner, or grant {owner} to this role; else drop it, or name another schema (--history-schema, --state-schema)"
    )]
    NotOurs {
        /// The object, with its kind.
        object: String,
        /// Its owner.
        owner: String,
    },
    /// Another run held the lock for too long.
    #[error("another run has held the migration lock for {}: {holder}; wait for it, or end that session", seconds(.waited))]
    LockTimeout {
        /// How long this run has waited.
        waited: Duration,
        /// The session that holds it.
        holder: String,
    },
    /// The run was stopped from outside. The steps before are applied.
    #[error("interrupted{}; {remains}", .at.as_ref().map(|stem| format!(" at {stem}")).unwrap_or_default())]
    Interrupted {
        /// The step that was running, without `.sql`; `None` between two steps.
        at: Option<String>,
        /// The state that it left, and how to continue.
        remains: String,
    },
    /// Another session took the lock during this run.
    #[error("another session holds the migration lock, so {step} was stopped; run again")]
    LockLost {
        /// The step that was stopped.
        step: String,
    },
    /// A statement of the step would end the step's own transaction.
    #[error("{path}:{}:{}: `{statement}` ends the transaction that keeps the step atomic with its history row; \
             remove it", .position.line, .position.column)]
    TransactionControl {
        /// The file.
        path: String,
        /// Where the statement is.
        position: Position,
        /// Its first words.
        statement: String,
    },
    /// An interrupted run could not resume at a statement of a step outside a transaction.
    #[error("{path}:{}:{}: {what}, so an interrupted run could not resume there; {instead}",
            .position.line, .position.column)]
    CannotResume {
        /// The file.
        path: String,
        /// Where the statement is.
        position: Position,
        /// Why a run could not resume there.
        what: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// A step outside a transaction was interrupted, and the statements that had run were edited since.
    #[error(
        "{path} is partly applied: its first {done} statements ran in an earlier attempt, and their text was edited since; \
         restore them, and edit only the statements after them"
    )]
    EditedWhileHalfDone {
        /// The file.
        path: String,
        /// The number of complete statements, without SET and others that only change the session.
        done: usize,
    },
    /// An earlier attempt sent a statement outside a transaction, and its outcome is unknown.
    #[error(
        "{path}:{}:{}: statement {statement} was sent outside a transaction in an earlier attempt that did not complete it; what \
         it committed stays, and it may be incomplete, so it is not sent again until you decide: {}",
        .position.line, .position.column, repair_commands(.step)
    )]
    StatementBegun {
        /// The file.
        path: String,
        /// Where the statement is.
        position: Position,
        /// Which statement of the file, from 1.
        statement: usize,
        /// How `cargo xtask repair` names the step: `V12`, or the stem of a repeatable migration.
        step: String,
    },
    /// The index of a CREATE INDEX CONCURRENTLY exists and is invalid, and another session may be building it.
    #[error(
        "{path}: index {index} is invalid, and another session may be building it; wait for that session, then run again"
    )]
    IndexBeingBuilt {
        /// The file.
        path: String,
        /// The index.
        index: String,
    },
    /// A different object has the name of the one that a statement creates.
    #[error("{path}:{}:{}: {what}; {instead}", .position.line, .position.column)]
    Exists {
        /// The file.
        path: String,
        /// Where the statement is.
        position: Position,
        /// The object that exists.
        what: String,
        /// What to do.
        instead: String,
    },
    /// A statement would change how the server reads the text after it.
    #[error("{path}:{}:{}: {what}; {instead}", .position.line, .position.column)]
    Misreads {
        /// The file.
        path: String,
        /// Where the statement is.
        position: Position,
        /// What must not change, and why.
        what: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// The step has a COPY from or to a client, and a migration has no client.
    #[error("{path}:{}:{}: COPY FROM STDIN and TO STDOUT need a client, which a migration does not have; \
             write the rows as INSERT, or load them outside of migrations", .position.line, .position.column)]
    CopyThroughClient {
        /// The file.
        path: String,
        /// Where the statement is.
        position: Position,
    },
    /// Checks failed.
    #[error("{} {at}:\n  {}", refit_model::wording::counted(.failed.len(), "check") + " failed", .failed.join("\n  "))]
    Checks {
        /// When: before the run, or after which migration.
        at: String,
        /// Name, place and first finding of each.
        failed: Vec<String>,
    },
    /// Queries take longer than their budgets allow. The run has applied its migrations.
    #[error("{} over budget after the run, whose migrations are applied:\n  {}", refit_model::wording::counted(.over.len(), "query"), .over.join("\n  "))]
    Budgets {
        /// Name, place and time of each.
        over: Vec<String>,
    },
    /// A hook of the program failed, which ends the run.
    #[error("a hook failed {at}")]
    Hook {
        /// Before or after what.
        at: String,
        /// Its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was requested does not exist or cannot run.
    #[error("{0}")]
    Target(String),
    /// The database's schema differs from the snapshot, and the migrator is configured to refuse that.
    #[error("{}", drift::summary(.differences))]
    Drift {
        /// One line per difference.
        differences: Vec<String>,
    },
    /// The database's schema could not be compared with the snapshot, and the migrator is configured to refuse that.
    #[error("the schema cannot be compared with its snapshot: {0}")]
    Snapshot(String),
    /// A backfill stopped before it was complete.
    #[error("backfill {stem}: {reason}")]
    Backfill {
        /// The version of its migration.
        version: refit_model::Version,
        /// The file name without `.sql`.
        stem: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The session's role lacks privileges for a backfill, which roles that have them can still complete.
    #[error(
        "{doing}: {message} (SQLSTATE {sqlstate}); {hint}; roles that have the privileges can continue the work"
    )]
    Forbidden {
        /// The action that failed, or the backfill.
        doing: String,
        /// The server's message.
        message: String,
        /// Its SQLSTATE.
        sqlstate: String,
        /// What to grant.
        hint: String,
    },
    /// A query of Refit's own failed.
    #[error("{doing}")]
    Database {
        /// The action that failed.
        doing: &'static str,
        /// The error of the server or the driver.
        source: DatabaseError,
    },
    /// The history table has content that is not a history.
    #[error("the history table is damaged: {0}")]
    History(String),
    /// Refit or the driver failed in an unexpected way.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The SQLSTATE, if a server reported the error.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Error::Statement(error) => error.sqlstate.as_deref(),
            Error::Database { source, .. } => source.code().map(|code| code.code()),
            Error::Rights { .. } => Some("42501"),
            Error::Forbidden { sqlstate, .. } => Some(sqlstate),
            _ => None,
        }
    }

    /// The message with those of its sources, separated by colons, as `cargo xtask` prints it.
    ///
    /// `Display` does not repeat the sources, so that a program that prints a chain of errors prints each text once.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, url: &str) {
    /// if let Err(error) = migrator.run(url).await {
    ///     eprintln!("{}", error.message());
    /// }
    /// # }
    /// ```
    pub fn message(&self) -> String {
        chain(self)
    }

    /// An error of TLS that no other error caused.
    pub(crate) fn tls(reason: impl Into<String>) -> Error {
        Error::Tls { reason: reason.into(), source: None }
    }

    pub(crate) fn database(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Error {
        move |source| Error::Database { doing, source: source.into() }
    }
}

/// The error if the state was written by an older release and has to be upgraded first.
pub(crate) fn outdated() -> Error {
    let advice = "an older release wrote Refit's records in this database; run `cargo xtask migrate` first, which upgrades them";
    Error::Target(advice.to_owned())
}

/// Whether the work that failed may wait for a session that can do it.
pub(crate) fn may_wait(error: &Error) -> bool {
    matches!(error, Error::ReadOnly { .. } | Error::Pooler | Error::LockTimeout { .. })
        || error.sqlstate() == Some("42501")
}

/// Why a session cannot write, and what to do; `None` if it can.
pub(crate) fn read_only(standby: bool, session: bool) -> Option<(&'static str, &'static str)> {
    if standby {
        Some((
            "the server is a hot standby",
            "connect to the primary, for example with target_session_attrs=read-write",
        ))
    } else if session {
        Some((
            "the session is read-only",
            "use a role and a database without default_transaction_read_only, or reset it with \
             `ALTER ROLE … RESET default_transaction_read_only`",
        ))
    } else {
        None
    }
}
