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

pub mod backfill;
mod blockers;
mod builder;
mod by_statement;
mod checksum;
mod connect;
mod digest;
mod drift;
mod embedded;
mod error;
mod event;
mod failure;
mod gate;
mod hint;
mod history;
mod interrupt;
mod lock;
#[cfg(feature = "metrics")]
mod metrics;
mod migrator;
mod pin;
mod plan;
mod pooler;
mod posted;
mod preflight;
mod prepare;
mod refusal;
mod repair;
mod report;
mod rights;
mod rollback;
mod run;
mod session;
mod state;
mod status;
mod step;
mod trust;

pub use backfill::Backfills;
pub use checksum::narrow_checksum;
pub use connect::{ConnectOptions, Connection, Connector, Notice, SslMode, Target, TlsOptions, connect};
pub use drift::{Drift, SchemaCheck};
pub use embedded::{Embedded, Source};
pub use error::{Error, StatementError};
pub use event::Event;
pub use gate::Gate;
pub use history::{BackfillState, HISTORY_TABLE, History, HistoryRow, UndecidedStep};
pub use interrupt::Interrupt;
pub use lock::{HistoryLock, LOCK_KEY, key as lock_key};
#[cfg(feature = "metrics")]
pub use metrics::describe_metrics;
pub use migrator::Migrator;
pub use pin::pinned;
pub use plan::{HeldStep, Plan, PlannedStep, StepKind};
pub use pooler::refuse_pooler;
pub use refit_model as model;
pub use refusal::Refusal;
pub use repair::HistoryChange;
pub use report::{Report, StepReport};
pub use rollback::{Rollback, RollbackPlan, RollbackReport, UndoBackfill, UndoRefusal, UndoStep};
pub use state::State;
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
