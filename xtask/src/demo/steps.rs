//! The durations of the new release's migrations, as recorded by Refit.

use std::fmt;

use tokio_postgres::Client;

/// One applied migration.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Step {
    /// The file name without `.sql`.
    pub(crate) stem: String,
    /// Duration from start to commit, including waits for locks.
    pub(crate) milliseconds: f64,
    /// The number of attempts.
    pub(crate) attempts: i32,
}

/// The steps above a version, and the repeatable ones, in the order of execution.
pub(crate) async fn since(client: &Client, version: i64) -> anyhow::Result<Vec<Step>> {
    let sql = "SELECT CASE kind WHEN 'versioned' THEN 'V' || lpad(version::text, 4, '0') ELSE 'R' END || '__' || name,
                      (extract(epoch FROM finished_at - started_at) * 1000)::float8, attempts
               FROM   refit.step
               WHERE  outcome = 'succeeded' AND (version > $1 OR version IS NULL)
               ORDER  BY id";
    let rows = client.query(sql, &[&version]).await?;
    let step = |row: &tokio_postgres::Row| -> Result<Step, tokio_postgres::Error> {
        Ok(Step {
            stem: row.try_get(0)?,
            milliseconds: row.try_get::<_, Option<f64>>(1)?.unwrap_or_default(),
            attempts: row.try_get(2)?,
        })
    };
    Ok(rows.iter().map(step).collect::<Result<_, _>>()?)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<36}{:>9.1} ms", self.stem, self.milliseconds)?;
        match self.attempts {
            1 => Ok(()),
            attempts => write!(f, ", {attempts} attempts"),
        }
    }
}
