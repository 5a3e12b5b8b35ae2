//! The options of the service: command-line flags and environment variables.

use std::net::SocketAddr;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  content-service
      starts with a private, throw-away PostgreSQL that contains a few example posts (feature private-server)
  DATABASE_URL='postgres://cms@db/cms?sslmode=verify-full' content-service --listen 0.0.0.0:80
      migrates that database, then serves on every interface
  curl -s localhost:3000/readyz
      200 when the schema is what this binary expects, 503 otherwise; the plan as JSON

Endpoints:
  GET /healthz                       GET /readyz
  GET, POST /sites                   GET /posts/{id}, GET, POST /posts
  GET /pages/{id}, GET, POST /pages  GET, POST /content/{post|page}/{id}/versions
  GET /content/{post|page}/{id}/versions/{number}

RUST_LOG sets the log filter, for example RUST_LOG=debug or RUST_LOG=content_service=debug,refit=info.";

/// A small CMS that migrates its own database when it boots.
#[derive(Clone, clap::Parser)]
#[command(name = "content-service", version, after_long_help = EXAMPLES, after_help = "--help shows examples.")]
pub struct Config {
    #[cfg_attr(
        feature = "private-server",
        doc = "The database. Without it, a private PostgreSQL is started and removed at the end."
    )]
    #[cfg_attr(not(feature = "private-server"), doc = "The database.")]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Address and port to listen on; port 0 picks a free one.
    #[arg(long, env = "CONTENT_SERVICE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// Maximum number of connections to the database.
    #[arg(long, env = "CONTENT_SERVICE_POOL_SIZE", value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub pool_size: u16,

    /// The environment: migrations with an `environments` directive run only in those.
    #[arg(long, env = "CONTENT_SERVICE_ENVIRONMENT", value_name = "NAME", default_value = "production")]
    pub environment: String,

    /// Seconds to keep trying to connect to the database at start.
    #[arg(long, env = "CONTENT_SERVICE_CONNECT_SECONDS", value_name = "SECONDS", default_value_t = 30)]
    pub connect_seconds: u16,

    /// Seconds that open requests get to finish when the service stops.
    #[arg(long, env = "CONTENT_SERVICE_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 10)]
    pub drain_seconds: u16,
}

/// Without the password of the database.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = self.database_url.as_deref().map(refit::model::redact::text);
        f.debug_struct("Config")
            .field("database_url", &url)
            .field("listen", &self.listen)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The default options for tests, with this database and a free port.
    pub fn for_database(url: impl Into<String>) -> Config {
        Config {
            database_url: Some(url.into()),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            pool_size: 8,
            environment: "production".to_owned(),
            connect_seconds: 30,
            drain_seconds: 10,
        }
    }

    /// How long to keep trying to connect at start.
    pub(crate) fn retry_for(&self) -> Duration {
        Duration::from_secs(self.connect_seconds.into())
    }

    /// How long open requests get to finish.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn the_help_hides_the_value_of_the_url() {
        let help = Config::command().render_long_help().to_string();
        assert!(help.contains("[env: DATABASE_URL]") && help.contains("Examples:"), "{help}");
    }

    #[test]
    fn a_pool_needs_a_connection() {
        assert!(Config::try_parse_from(["content-service", "--pool-size", "0"]).is_err());
    }
}
