//! Refit: the PostgreSQL migration system that a Rust service carries inside itself.
//!
//! A service's `build.rs` calls `refit_build::embed("migrations")`; the binary then carries the folder, and applies it
//! when it boots:
//!
//! ```ignore
//! static MIGRATIONS: refit::Embedded = refit::embed!();
//!
//! let report = refit::Migrator::new(&MIGRATIONS).run(&database_url).await?;
//! println!("{report}");
//! ```
//!
//! What [`Migrator::apply`] promises: nothing to do costs one round trip; any number of replicas may boot at once; a
//! step is atomic with its history row; a step cannot take the site down; statements that cannot run in a transaction
//! are restartable; old and new binaries coexist; gated steps wait without blocking boot; and no migration is lost to
//! the build, since [`embed!`] does not compile without `refit-build`.
//!
//! Cargo features: `tls` (default) encrypts connections with rustls; `metrics` reports steps and backfills to a recorder of the
//! `metrics` crate.
//!
//! This crate never prints, never reads the environment and never exits. It knows no linter and no snapshot: a service
//! that links it stays small.

mod adopt;
pub mod application_name;
pub mod backfill;
mod boot;
mod builder;
mod connect;
mod drift;
mod embedded;
mod error;
mod event;
mod exec;
mod executor;
mod history;
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
mod repair;
mod report;
mod rights;
mod rollback;
mod run;
mod session;
mod state;
mod statement_observer;
mod status;
mod trust;

pub use adopt::{AdoptedHistory, AdoptedMigration};
pub use connect::{ConnectOptions, Connection, Connector, Notice, SslMode, Target, TlsOptions, connect};
pub use embedded::{Embedded, Source};
pub use error::{Error, Refusal, StatementError, UndoRefusal};
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
pub use options::{Backfills, Drift, HISTORY_TABLE, SchemaCheck};
pub use pin::pinned;
pub use plan::{Gate, HeldStep, Plan, PlannedStep, StepKind, UndoBackfill};
pub use pooler::refuse_pooler;
pub use refit_model as model;
pub use repair::HistoryChange;
pub use report::{Report, StepReport};
pub use rollback::{Rollback, RollbackPlan, RollbackReport, UndoStep};
pub use state::{BackfillState, State, UndecidedStep};
pub use statement_observer::{RunningStatement, Sent, StatementObserver};
pub use status::{AppliedRow, Holder, RunRow, Status};
pub use trust::refuse_untrusted;

/// What [`embed!`] expands to names.
#[doc(hidden)]
pub mod __private {
    pub use include_dir;
}

/// The migrations folder that `build.rs` named with `refit_build::embed`, inside the binary.
///
/// ```ignore
/// static MIGRATIONS: refit::Embedded = refit::embed!();
/// ```
#[macro_export]
macro_rules! embed {
    () => {{
        use $crate::__private::include_dir;
        const _: &str = ::core::env!(
            "REFIT_MIGRATIONS",
            "refit::embed!() needs a build.rs that says which folder to watch: \
             `fn main() { refit_build::embed(\"migrations\") }`, with refit-build under [build-dependencies]"
        );
        static FILES: include_dir::Dir<'static> = include_dir::include_dir!("$REFIT_MIGRATIONS");
        $crate::Embedded::new(
            &FILES,
            ::core::env!("REFIT_HISTORY_VERSIONED"),
            ::core::env!("REFIT_HISTORY_REPEATABLE"),
            ::core::env!("REFIT_HISTORY_NEWEST"),
        )
    }};
}
