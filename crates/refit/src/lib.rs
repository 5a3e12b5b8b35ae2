//! Refit: the PostgreSQL migration system that a Rust service carries inside itself.
//!
//! Migrations are SQL files in a folder. The build checks and embeds the folder; the service applies what is pending when it
//! boots. This page is the whole story of such a service: [build](#build), [boot](#boot), [readiness](#readiness),
//! [replicas](#several-replicas), [environments](#environments), [stopping](#stopping), [backfills](#backfills), [drift](#drift), [errors](#errors),
//! [rollback](#rollback), [features](#features).
//!
//! Two small services in the repository are complete: `examples/tokio-service` uses plain tokio, and `examples/axum-service`
//! answers `/healthz` and `/readyz` while it migrates. `docs/service.md` has more on services, `docs/migrations.md` on writing
//! migrations.
//!
//! # Build
//!
//! `refit-build` is a build dependency. The build script names the folder, relative to the crate's manifest; a malformed folder is
//! a build error with file, line and fix:
//!
//! ```no_run
//! // build.rs
//! fn main() {
//!     refit_build::embed("migrations");
//! }
//! ```
//!
//! [`embed!`] puts the folder into the binary. It does not compile without that build script, so no migration is lost:
//!
//! ```
#![doc = include_str!("embed_stub.md")]
//! // src/main.rs
//! static MIGRATIONS: refit::Embedded = refit::embed!();
//! assert!(MIGRATIONS.set().is_ok());
//! ```
//!
//! # Boot
//!
//! [`Migrator::run`] connects, applies what is pending, and closes the connection. It tries to connect for 30 s
//! ([`ConnectOptions::retry_for`]), and encrypts as the URL's `sslmode` says. With nothing to do it costs one round trip:
//!
//! ```no_run
#![doc = include_str!("embed_stub.md")]
//! use refit::Migrator;
//!
//! static MIGRATIONS: refit::Embedded = refit::embed!();
//!
//! async fn boot(url: &str) -> Result<(), refit::Error> {
//!     let report = Migrator::new(&MIGRATIONS).run(url).await?;
//!     println!("{report}");
//!     Ok(())
//! }
//! ```
//!
//! A step is atomic with its row of the history: it is applied or rolled back as a whole. Statements that cannot run in a
//! transaction are resumed after an interruption. Every step has a `lock_timeout`, and is retried when it does not get its locks.
//! A migration that [waits](Gate) for a backfill or an operator is held back, and the boot succeeds without it.
//!
//! An observer receives each [`Event`] of a run: for a progress bar, or an alert on a step that waits. `tracing` has log lines of
//! the same events.
//!
//! ```no_run
//! use refit::{Event, Migrator};
//!
//! # fn example(migrations: &'static refit::Embedded) {
//! let migrator = Migrator::new(migrations).observe(|event| match event {
//!     Event::StepApplied { report } => println!("applied {} in {:?}", report.stem, report.duration),
//!     Event::StepRetried { stem, blockers, .. } => println!("{stem} waits for a lock: {blockers:?}"),
//!     Event::Waiting { holder, waited } => println!("another run is active for {waited:?}: {holder}"),
//!     _ => {}
//! });
//! # }
//! ```
//!
//! A [`Hook`] is called before and after runs and steps, and can stop them: for checks, backups and approvals.
//!
//! # Readiness
//!
//! Bind the port before the run, and answer a readiness probe from [`Migrator::plan`]: it reads only, on any connection, also
//! while this or another process migrates. A pending migration makes it false; a migration that is held back, or a database that
//! is ahead of this binary, does not:
//!
//! ```no_run
//! async fn is_ready(migrator: &refit::Migrator, client: &tokio_postgres::Client) -> bool {
//!     migrator.plan(client).await.is_ok_and(|plan| plan.is_up_to_date())
//! }
//! ```
//!
//! # Several replicas
//!
//! Any number of replicas may boot at once. A run takes an advisory lock of the history by polling; the others wait (15 minutes
//! at most, [`Migrator::wait_for_lock`]), find the history complete, and start. Each migration is applied once. An older binary
//! starts on a newer database, with a warning, unless `ahead = "refuse"` is under `[policy]` in `refit.toml`.
//!
//! Connect to the server itself, or to a pooler in session mode ([`Migrator::session_pooler`]): a pooler that switches sessions is
//! [refused](Error::Pooler) as soon as there is something to apply.
//!
//! # Environments
//!
//! [`Migrator::environment`] names the environment, and `[environment.NAME]` in `refit.toml` may say what a run must satisfy there:
//! windows, freeze periods, an environment that comes first. A run that it does not admit ends with [`Error::Gated`] before it
//! changes anything. With `boot = "check"`, [`Migrator::run`] applies nothing, and ends with [`Error::Pending`] if there is
//! something to apply:
//!
//! ```no_run
//! use refit::{Error, Migrator};
//!
//! # async fn example(migrations: &'static refit::Embedded, url: &str) {
//! match Migrator::new(migrations).environment("production").run(url).await {
//!     Err(Error::Gated { gates, .. }) => {
//!         for gate in gates {
//!             eprintln!("{gate} (opens: {:?})", gate.opens());
//!         }
//!     }
//!     Err(Error::Pending { pending, .. }) => eprintln!("not applied yet: {}", pending.join(", ")),
//!     Err(error) => eprintln!("{}", error.message()),
//!     Ok(report) => println!("{report}"),
//! }
//! # }
//! ```
//!
//! # Stopping
//!
//! A process that exits does not stop the statement that it sent. On SIGTERM, trigger an [`Interrupt`]: the statement is
//! canceled, and the run ends with [`Error::Interrupted`].
//!
//! ```no_run
//! # async fn example(migrations: &'static refit::Embedded, url: &str, sigterm: impl Future<Output = ()> + Send + 'static)
//! # -> Result<(), refit::Error> {
//! let interrupt = refit::Interrupt::new();
//! let migrator = refit::Migrator::new(migrations).interrupt(interrupt.clone());
//! tokio::spawn(async move {
//!     sigterm.await;
//!     interrupt.trigger();
//! });
//! migrator.run(url).await?;
//! # Ok(()) }
//! ```
//!
//! # Backfills
//!
//! A migration with a `backfill` directive registers a job; its rows change in batches, while the service serves. By default
//! [`run`](Migrator::run) leaves that to a task in the background, in every replica: they share the ranges of the job, and what
//! waited for it is applied when it is complete. The task needs a tokio runtime that keeps running.
//!
//! With [`Backfills::Hold`], another process does it, later: `cargo xtask backfill run`, or [`Migrator::run_backfills`].
//!
//! ```no_run
//! use refit::{Backfills, Migrator};
//!
//! # async fn example(migrations: &'static refit::Embedded, url: &str) -> Result<(), refit::Error> {
//! let migrator = Migrator::new(migrations).backfills(Backfills::Hold);
//! let report = migrator.run(url).await?;
//! for step in &report.held {
//!     println!("{} is held back: {}", step.stem, step.gate);
//! }
//! // Later, in a job of its own:
//! let report = migrator.run_backfills(url).await?;
//! println!("{} backfills are complete", report.backfills.len());
//! # Ok(()) }
//! ```
//!
//! [`backfill`] has their status, and requests to pause, resume, retry or cancel them. [`Migrator::backfill_with`] registers
//! a Rust function in place of a statement.
//!
//! # Drift
//!
//! [`Migrator::drift`] compares the schema with the snapshot that `cargo xtask snapshot` wrote into the folder, whenever the
//! database is exactly at the set. The function that reads the schema is `refit-catalog`'s, which only services that compare
//! need to link:
//!
//! ```no_run
//! use refit::{Drift, Migrator};
//!
//! # fn example(migrations: &'static refit::Embedded) {
//! let migrator = Migrator::new(migrations).drift(Drift::Warn, refit_catalog::differences);
//! # }
//! ```
//!
//! # Errors
//!
//! Every [`Error`] says what happened, where, and what to do. A failed statement has its file, line and column, the server's
//! message, and a hint where SQLSTATE and text allow one:
//!
//! ```text
//! V0022__add_post_status.sql failed in statement 2 of 2
//! error 42704: type "post_status" does not exist
//!  --> V0022__add_post_status.sql:3:37
//!   |
//! 3 | ALTER TABLE posts ADD COLUMN status post_status;
//!   |                                     ^
//!   the migration was rolled back; fix it and run again
//! ```
//!
//! What was applied before stays. Match on the variants that the service treats differently. `Display` of an error does not
//! repeat its source: print the chain, or [`Error::message`]. No message contains a password:
//!
//! ```no_run
//! use refit::Error;
//!
//! # async fn example(migrator: refit::Migrator, url: &str) {
//! match migrator.run(url).await {
//!     Ok(report) => println!("{report}"),
//!     Err(Error::Interrupted { .. }) => println!("stopped by a signal"),
//!     Err(Error::Statement(failed)) => {
//!         eprintln!("{failed}");
//!         if let (Some(at), Some(hint)) = (failed.position, &failed.hint) {
//!             eprintln!("{}:{}: {hint}", failed.path, at.line);
//!         }
//!     }
//!     Err(Error::Refused(refusals)) => {
//!         for refusal in refusals {
//!             eprintln!("{refusal}");
//!         }
//!     }
//!     Err(error) => eprintln!("{}", error.message()),
//! }
//! # }
//! ```
//!
//! # Rollback
//!
//! A service never rolls back on its own. An operator, or a program for one, undoes everything above a version by down files and by
//! the earlier values that backfills kept:
//!
//! ```no_run
//! use refit::{ConnectOptions, Rollback};
//!
//! # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), refit::Error> {
//! let rollback = Rollback { to: 12, ..Rollback::default() };
//! let client = refit::connect(url, &ConnectOptions::default()).await?;
//! let plan = migrator.plan_rollback(&client, &rollback).await?;
//! if plan.refusals.is_empty() {
//!     println!("{}", migrator.rollback(url, &rollback).await?);
//! }
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! - `tls` (default) encrypts connections with rustls. Without it, a URL that requires TLS is [refused](Error::Tls).
//! - `metrics` reports steps and backfills to the recorder of the `metrics` crate that the program installs;
//!   `describe_metrics` gives it their units and help texts:
//!
//! ```
//! // After the program has installed its recorder:
//! # #[cfg(feature = "metrics")]
//! refit::describe_metrics();
//! ```
//!
//! This crate prints nothing, reads no environment variable and never exits. It contains no linter and no reader of schemas: a
//! service that links it stays small.

#![allow(clippy::needless_doctest_main, reason = "a build script is a `main`")]

mod adopt;
pub mod application_name;
pub mod backfill;
pub mod backup;
mod boot;
mod budget;
mod budgets;
mod builder;
mod calendar;
mod check;
mod checks;
mod connect;
mod drift;
mod embedded;
mod environment;
mod environment_gate;
mod error;
mod event;
mod exec;
mod executor;
mod history;
mod hold;
mod hook;
mod interrupt;
mod line;
mod lock;
mod lock_keys;
#[cfg(feature = "metrics")]
mod metrics;
mod migrator;
mod options;
mod pin;
mod plan;
mod planner;
mod pooler;
mod preflight;
mod prepare;
mod progress;
mod queries;
mod recorded;
mod repair;
mod report;
mod rights;
mod rollback;
mod run;
mod script;
mod session;
mod state;
mod statement_observer;
mod status;
mod step_notices;
mod trust;

pub use adopt::{AdoptedHistory, AdoptedMigration};
pub use checks::CheckSelection;
pub use connect::{ConnectOptions, Connection, Connector, Notice, SslMode, Target, TlsOptions, connect};
pub use embedded::{Embedded, Source};
pub use environment_gate::{EnvironmentGate, MissingApproval, MissingPromotion, Override};
pub use error::{ConnectError, DatabaseError, Error, Refusal, StatementError, UndoRefusal};
pub use event::Event;
pub use executor::{Executor, REHEARSAL_SCHEMA, Script};
pub use history::checksum::narrow_checksum;
pub use history::{History, HistoryRow};
pub use hook::{Hook, HookError, HookFuture, HookRun, HookStep};
pub use interrupt::Interrupt;
pub use line::{Line, LineKind};
pub use lock::HistoryLock;
pub use lock_keys::{LOCK_KEY, key as lock_key};
#[cfg(feature = "metrics")]
pub use metrics::describe_metrics;
pub use migrator::Migrator;
pub use options::{Backfills, Budgets, Drift, HISTORY_TABLE, SchemaCheck};
pub use pin::pinned;
pub use plan::{Gate, HeldStep, Plan, PlannedStep, StepKind, UndoBackfill};
pub use pooler::refuse_pooler;
pub use progress::{Activity, Progress};
pub use refit_model as model;
pub use repair::HistoryChange;
pub use report::{
    BlockedAttempt, BudgetResult, CheckResult, Counts, Measurement, RecordedBackfill, RecordedHold,
    RecordedStep, Report, RunOutcome, RunReport, RunSummary, StepOutcome, StepReport, Verdict,
};
pub use rollback::{Rollback, RollbackPlan, RollbackReport, UndoStep};
pub use state::{BackfillState, State, UndecidedStep};
pub use statement_observer::{RunningStatement, Sent, StatementObserver};
pub use status::{AppliedRow, Holder, RunRow, Status};
pub use trust::refuse_untrusted;

/// Names that the expansion of [`embed!`] uses.
#[doc(hidden)]
pub mod __private {
    pub use include_dir;
}

/// The migrations folder that `build.rs` named with `refit_build::embed`, as an [`Embedded`] in the binary.
///
/// It takes no argument. Without `refit_build::embed` in the build script of the same crate, it does not compile.
///
/// ```
#[doc = include_str!("embed_stub.md")]
/// static MIGRATIONS: refit::Embedded = refit::embed!();
/// let migrator = refit::Migrator::new(&MIGRATIONS);
/// ```
#[macro_export]
macro_rules! embed {
    () => {{
        use $crate::__private::include_dir;
        const _: &str = ::core::env!(
            "REFIT_MIGRATIONS",
            "refit::embed!() needs a build.rs that names the folder: \
             `fn main() { refit_build::embed(\"migrations\") }`, with refit-build under [build-dependencies]"
        );
        static FILES: include_dir::Dir<'static> = include_dir::include_dir!("$REFIT_MIGRATIONS");
        $crate::Embedded::new(
            &FILES,
            ::core::env!("REFIT_HISTORY_VERSIONED"),
            ::core::env!("REFIT_HISTORY_REPEATABLE"),
            ::core::env!("REFIT_HISTORY_NEWEST"),
        )
        .with_signatures(::core::env!("REFIT_SIGNATURES"))
    }};
}
