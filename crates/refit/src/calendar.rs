//! When migrations may run, by the server's clock: the server also knows the time zones, so that all processes agree.

use jiff::Timestamp;
use refit_model::{Environment, Opening};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::environment_gate::EnvironmentGate;
use crate::error::Error;
use crate::queries::Queries;

/// The windows and freeze periods that are closed now, and when migrations may not run any longer if none is. The session is
/// pinned.
///
/// # Errors
/// When a query fails, for example because the server does not know a time zone.
pub(crate) async fn closed(
    client: &Client,
    profile: &Environment,
) -> Result<(Vec<EnvironmentGate>, Option<i64>), Error> {
    if !profile.has_calendar() {
        return Ok((Vec::new(), None));
    }
    let opening = opening(client, profile).await?;
    let opens = opening.opens.and_then(|at| Timestamp::from_microsecond(at).ok()).map(|at| at.to_string());
    let mut gates = Vec::new();
    if opening.is_outside {
        let windows = profile.windows.iter().map(ToString::to_string).collect();
        gates.push(EnvironmentGate::Window { windows, opens: opens.clone() });
    }
    let periods: Vec<String> = opening
        .frozen
        .iter()
        .filter_map(|index| profile.freeze.get(*index))
        .map(ToString::to_string)
        .collect();
    if !periods.is_empty() {
        gates.push(EnvironmentGate::Freeze { periods, opens });
    }
    Ok((gates, opening.closes))
}

async fn opening(client: &Client, profile: &Environment) -> Result<Opening, Error> {
    let now = now(client).await?;
    let times = profile.local_times(now);
    let zones: Vec<&str> = times.iter().map(|time| time.zone).collect();
    let times: Vec<&str> = times.iter().map(|time| time.at.as_str()).collect();
    let sql = "SELECT (extract(epoch FROM local.at::timestamp AT TIME ZONE local.zone) * 1000000)::int8 \
               FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY AS local (at, zone, number) \
               ORDER BY local.number";
    let rows = client.query_boxed(sql, &[(&times, Type::TEXT_ARRAY), (&zones, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(Error::database("reading the windows of the environment"))?;
    let instants: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    Ok(profile.opening(now, &instants))
}

/// The server's time in microseconds since 1970.
async fn now(client: &Client) -> Result<i64, Error> {
    let sql = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8";
    let row = client.query_one_boxed(sql, &[]).await;
    Ok(row.map_err(Error::database("reading the clock of the server"))?.get(0))
}

/// The end of the window in which a run began.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    environment: String,
    profile: Environment,
    closes: i64,
}

impl Deadline {
    pub(crate) fn new(environment: &str, profile: &Environment, closes: i64) -> Deadline {
        Deadline { environment: environment.to_owned(), profile: profile.clone(), closes }
    }

    /// Checks that the window is still open, before a step whose file has this stem; `applied` steps ran before it. The session is
    /// pinned.
    ///
    /// # Errors
    /// [`Error::GateClosed`] if it is not.
    pub(crate) async fn check(&mut self, client: &Client, stem: &str, applied: usize) -> Result<(), Error> {
        if now(client).await? < self.closes {
            return Ok(());
        }
        let (gates, closes) = closed(client, &self.profile).await?;
        if gates.is_empty() {
            self.closes = closes.unwrap_or(i64::MAX);
            return Ok(());
        }
        let (environment, next) = (self.environment.clone(), stem.to_owned());
        Err(Error::GateClosed { environment, done: applied, next, gates })
    }
}
