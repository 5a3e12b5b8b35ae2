//! What can go wrong, each with what the reader needs and what to do next.

mod drift;
mod hint;
mod refusal;
mod source;
mod statement;
mod undo_refusal;

use std::time::Duration;

use refit_model::{Position, SetError, redact, visible, visible_line};

pub(crate) use drift::summary as drift_summary;
pub(crate) use hint::statement as statement_hint;
pub use refusal::Refusal;
pub(crate) use refusal::ways_on;
pub use source::{ConnectError, DatabaseError};
pub use statement::StatementError;
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
        /// What cannot be used, or what to do.
        reason: String,
        /// The error of rustls or of the operating system, if there is one.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A statement of a migration failed.
    #[error(transparent)]
    Statement(Box<StatementError>),
    /// The history does not fit the set, and the policies say to refuse.
    #[error("{}", refusals(.0))]
    Refused(Vec<Refusal>),
    /// The way back is barred: some migrations cannot be undone.
    #[error("{}", barred(.0))]
    RollbackRefused(Vec<UndoRefusal>),
    /// The server is a standby, or the session is read-only, and there is something to do.
    #[error("{why}, and {pending}: {first}; {hint}")]
    ReadOnly {
        /// What kind of read-only it is.
        why: &'static str,
        /// How many migrations are pending, or to be undone, in words.
        pending: String,
        /// The first of them.
        first: String,
        /// The next step.
        hint: &'static str,
    },
    /// A connection pooler stands between, where a session is needed.
    #[error(
        "connected through a connection pooler, which may switch sessions between transactions; \
         connect to the server itself, or say that the pooler keeps one session for one client \
         (Migrator::session_pooler, --session-pooler)"
    )]
    Pooler,
    /// The session is in a transaction of the caller's.
    #[error(
        "the session is in a transaction, which this would end; commit it first, or use another connection"
    )]
    InTransaction,
    /// Row security hides rows of the history from this role.
    #[error(
        "row-level security hides rows of {table} from this role, so that what is applied cannot be known; \
         use the role that owns the table (without FORCE ROW LEVEL SECURITY), or one with BYPASSRLS"
    )]
    RowSecurity {
        /// The table.
        table: String,
    },
    /// The role lacks privileges on what Refit itself needs.
    #[error(
        "{refused}; as the owner, run `{}`; or keep Refit's records in a schema of your own instead of {state_schema} \
         (--state-schema, `state_schema` in refit.toml, Migrator::state_schema)",
        .grants.join("; ")
    )]
    Rights {
        /// What the server refused.
        refused: String,
        /// The statements that give the role what it lacks.
        grants: Vec<String>,
        /// The state's schema.
        state_schema: String,
    },
    /// The history's table or the state's schema belongs to a role that this one has no reason to trust.
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
        /// Who holds it.
        holder: String,
    },
    /// The run was stopped from outside: what was applied before stays.
    #[error("interrupted{}; {remains}", .at.as_ref().map(|stem| format!(" at {stem}")).unwrap_or_default())]
    Interrupted {
        /// The step that ran, without `.sql`; none between two steps.
        at: Option<String>,
        /// What is left of it, and how to continue.
        remains: String,
    },
    /// Another session took the lock during this run.
    #[error("the migration lock is held by another session ({step} was rolled back); start again")]
    LockLost {
        /// The step that noticed.
        step: String,
    },
    /// The step committed or rolled back its own transaction.
    #[error("{path}:{}:{}: `{statement}` ends the transaction that keeps the step atomic with its history row; \
             remove it", .position.line, .position.column)]
    TransactionControl {
        /// The file.
        path: String,
        /// Where it stands.
        position: Position,
        /// Its first words.
        statement: String,
    },
    /// A statement of a step outside a transaction that could not be gone on with after an interruption.
    #[error("{path}:{}:{}: {what}, so an interrupted run could not resume there; {instead}",
            .position.line, .position.column)]
    CannotResume {
        /// The file.
        path: String,
        /// Where it stands.
        position: Position,
        /// Why.
        what: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// A step outside a transaction was interrupted, and what it had done was edited since.
    #[error(
        "{path} is half-done: its first {done} statements ran in an earlier attempt, and their text was edited since; \
         restore them, and change only what follows"
    )]
    EditedWhileHalfDone {
        /// The file.
        path: String,
        /// How many statements are complete, SET and its like not counted.
        done: usize,
    },
    /// A statement was sent by itself in an earlier attempt, and how it ended is not known.
    #[error(
        "{path}:{}:{}: statement {statement} was sent outside a transaction in an earlier attempt that did not complete it; what \
         it committed stays, and it may be incomplete, so it is not sent again until you decide: {}",
        .position.line, .position.column, ways_on(.step)
    )]
    StatementBegun {
        /// The file.
        path: String,
        /// Where the statement stands.
        position: Position,
        /// Which statement of the file, from 1.
        statement: usize,
        /// How `cargo xtask repair` names the step: `V12`, or the stem of a repeatable migration.
        step: String,
    },
    /// A concurrently built index is there, and invalid, and another session may be building it.
    #[error(
        "{path}: index {index} is invalid, and another session may be building it; wait for that session, then run again"
    )]
    IndexBeingBuilt {
        /// The file.
        path: String,
        /// The index.
        index: String,
    },
    /// What has the name of the thing that a statement creates is something else.
    #[error("{path}:{}:{}: {what}; {instead}", .position.line, .position.column)]
    Exists {
        /// The file.
        path: String,
        /// Where the statement stands.
        position: Position,
        /// What exists.
        what: String,
        /// What to do.
        instead: String,
    },
    /// A statement changes how the server reads the text after it.
    #[error("{path}:{}:{}: {what}; {instead}", .position.line, .position.column)]
    Misreads {
        /// The file.
        path: String,
        /// Where it stands.
        position: Position,
        /// What must stay as it is, and why.
        what: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// The step copies from or to a client, which a migration has none of.
    #[error("{path}:{}:{}: COPY FROM STDIN and TO STDOUT need a client that feeds them; \
             write the rows as INSERT, or load them by an import", .position.line, .position.column)]
    CopyThroughClient {
        /// The file.
        path: String,
        /// Where it stands.
        position: Position,
    },
    /// A hook of the program failed, which ends the run.
    #[error("a hook failed {at}")]
    Hook {
        /// When: before or after what.
        at: String,
        /// Its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A version that was asked for does not exist, or cannot run.
    #[error("{0}")]
    Target(String),
    /// The database's schema is not that of the snapshot, and the migrator is set to refuse.
    #[error("{}", drift::summary(.differences))]
    Drift {
        /// A line a difference.
        differences: Vec<String>,
    },
    /// The database's schema could not be compared with the snapshot, and the migrator is set to refuse.
    #[error("the schema cannot be compared with its snapshot: {0}")]
    Snapshot(String),
    /// A backfill does not come to its end.
    #[error("backfill {stem}: {reason}")]
    Backfill {
        /// The version of its migration.
        version: refit_model::Version,
        /// The file name without `.sql`.
        stem: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The session's role may not work on a backfill, which stays for roles that may.
    #[error("{doing}: {message} (SQLSTATE {sqlstate}); the work is left to roles that may do it: {hint}")]
    Forbidden {
        /// What Refit was doing, or the backfill.
        doing: String,
        /// What the server said.
        message: String,
        /// Its SQLSTATE.
        sqlstate: String,
        /// What to grant.
        hint: String,
    },
    /// A query of Refit's own failed.
    #[error("{doing}")]
    Database {
        /// What Refit was doing.
        doing: &'static str,
        /// The error of the server or the driver.
        source: DatabaseError,
    },
    /// The history table holds something that is no history.
    #[error("the history table is damaged: {0}")]
    History(String),
    /// The Rust side of the connection ended.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The SQLSTATE, when a server said it.
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

fn refusals(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    // Names come from the history.
    format!(
        "nothing was applied: the history does not fit the migrations\n  {}",
        visible(&lines.join("\n  "))
    )
}

fn barred(refusals: &[UndoRefusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    format!("nothing was undone: there is no way back to that version\n  {}", visible(&lines.join("\n  ")))
}

fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Message, SQLSTATE, detail and hint of a driver error in one line; the driver's own Display says "db error". Secrets are
/// replaced and control characters escaped.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    let text = match error.as_db_error() {
        Some(db) => {
            let mut text = format!("{} (SQLSTATE {})", db.message(), db.code().code());
            if let Some(detail) = db.detail() {
                text.push_str(&format!("; detail: {}", redact::detail(db.code().code(), detail)));
            }
            if let Some(hint) = db.hint() {
                text.push_str(&format!("; hint: {hint}"));
            }
            text
        }
        None => chain(error),
    };
    shown(&text)
}

/// An error with its sources, separated by colons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// A text of unknown origin as it may stand in a line of an error or a log: no secrets, and nothing that acts on a terminal.
pub(crate) fn shown(text: &str) -> String {
    visible_line(&redact::text(text)).into_owned()
}

/// The error where the state that an older release wrote has to be upgraded first.
pub(crate) fn outdated() -> Error {
    let advice = "an older release wrote Refit's records in this database; run `cargo xtask migrate` first, which upgrades them";
    Error::Target(advice.to_owned())
}

/// Whether what an error kept from happening may wait for a session that can do it.
pub(crate) fn may_wait(error: &Error) -> bool {
    matches!(error, Error::ReadOnly { .. } | Error::Pooler | Error::LockTimeout { .. })
        || error.sqlstate() == Some("42501")
}

/// Why a session cannot write, and what to do; none when it can.
pub(crate) fn read_only(standby: bool, session: bool) -> Option<(&'static str, &'static str)> {
    if standby {
        Some((
            "the server is a hot standby",
            "connect to the primary, for example with target_session_attrs=read-write",
        ))
    } else if session {
        Some((
            "the session is read-only",
            "use a role and database without default_transaction_read_only, or ALTER ROLE … RESET it",
        ))
    } else {
        None
    }
}
