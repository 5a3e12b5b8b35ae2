//! The sample service: a small CMS over axum and deadpool-postgres that migrates its own database when it boots.
//!
//! It is here to show a service that carries its migrations, and for the tests and the demo to run a real one. It
//! answers `/healthz` from its first moment, `/readyz` once the schema is what this binary expects, and everything else
//! only then. It must not hold migration logic of its own: what runs, when and under which locks is `refit`'s business.

mod api_error;
mod boot;
mod config;
mod extract;
mod handlers;
#[cfg(feature = "private-server")]
mod private;
#[cfg(not(feature = "private-server"))]
#[path = "no_private.rs"]
mod private;
mod router;
mod state;

pub use api_error::ApiError;
pub use boot::{Running, ServeError, start};
pub use config::Config;
pub use handlers::versions::{ContentType, Version};
pub use router::router;
pub use state::{Phase, State};

/// The migrations folder of this workspace, as it was when this binary was built.
pub static MIGRATIONS: refit::Embedded = refit::embed!();
