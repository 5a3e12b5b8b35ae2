//! The sample service: a small CMS with axum and deadpool-postgres that migrates its own database when it boots.
//!
//! It is an example of a service with embedded migrations, and the real service of the tests and the demo. `/healthz`
//! works from the start; `/readyz` and everything else work once the schema is what this binary expects. The service
//! contains no migration logic: `refit` decides what runs, when, and with which locks.

mod api_error;
mod boot;
mod config;
mod extract;
mod handlers;
mod migrations;
#[cfg(feature = "private-server")]
mod private;
#[cfg(not(feature = "private-server"))]
#[path = "no_private.rs"]
mod private;
mod router;
mod serve_error;
mod state;

pub use api_error::ApiError;
pub use boot::{Running, start};
pub use config::Config;
pub use handlers::versions::{ContentType, Version};
pub use migrations::MIGRATIONS;
pub use router::router;
pub use serve_error::ServeError;
pub use state::{Phase, State};
