//! The strategy that walks the key space, and why.

use std::time::{Duration, Instant};

use refit_model::{BackfillDirective, Strategy};
use tokio_postgres::Client;

use super::facts::Table;
use super::shape::Shape;
use crate::application_name;
use crate::error::Error;
use crate::queries::Queries;

/// Stripes per window. With 4, index pages split; with 20, there is less growth and less speed (docs/backfills.md).
pub(crate) const STRIPES: u32 = 10;
/// Rows in a window of stripes: 5,000 per batch.
pub(crate) const WINDOW_ROWS: u32 = 50_000;
/// Minimum and maximum windows between two visits to a page.
const ROTATION: (u32, u32) = (4, 40);
/// Snapshots older than this, in seconds, count as held.
const HELD_AGE: f64 = 5.0;
/// Transactions by which a standby may always be behind.
const USUAL_LAG: f64 = 100.0;
/// The time between two samples of the snapshots of standbys.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// The maximum estimated age of a snapshot, in seconds.
const MAX_AGE: f64 = 3_600.0;
/// Stripes gain nothing with fewer rows.
const SMALL: u64 = 100_000;
/// Minimum correlation between the key and the heap.
const ORDERED: f64 = 0.9;

/// The chosen strategy.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) strategy: Strategy,
    pub(crate) reason: String,
    /// Windows per range.
    pub(crate) rotation: u32,
}

/// The oldest snapshot that keeps dead rows from being removed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Horizon {
    /// Seconds.
    pub(crate) age: f64,
    /// The session, prepared transaction, standby or slot that holds it.
    pub(crate) holder: String,
}

impl Horizon {
    pub(crate) fn is_held(&self) -> bool {
        self.age > HELD_AGE
    }

    /// Reads what holds back the horizon: sessions, prepared transactions, standbys and slots.
    pub(crate) async fn read(client: &Client) -> Result<Horizon, Error> {
        let failed = || Error::database("reading the oldest snapshot");
        // VACUUM's own snapshot does not hold back the horizon, and those of backfill workers are short.
        let sql = format!(
            "SELECT age, holder FROM ( \
                SELECT extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(xact_start, backend_start))::float8 AS age, \
                    pg_catalog.format('pid %s (%s, %s), %s', pid, coalesce(usename, backend_type), \
                           coalesce(nullif(application_name, ''), 'no name'), coalesce(state, 'running')) AS holder \
                FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() \
                  AND datname = pg_catalog.current_database() AND coalesce(backend_type, '') <> 'walsender' \
                  AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum) \
                  AND coalesce(application_name, '') NOT LIKE {} \
                UNION ALL SELECT extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::float8, \
                    pg_catalog.format('the prepared transaction %L', gid) FROM pg_prepared_xacts WHERE database = pg_catalog.current_database() \
                ) AS holders ORDER BY age DESC NULLS LAST LIMIT 1",
            application_name::workers()
        );
        let rows = client.query_boxed(&sql, &[]).await.map_err(failed())?;
        let horizon = rows.first().map_or_else(Horizon::default, |row| Horizon {
            age: row.get::<_, Option<f64>>(0).unwrap_or(0.0),
            holder: crate::error::shown(row.get::<_, Option<&str>>(1).unwrap_or_default()),
        });
        let standby = Horizon::of_standbys(client).await?;
        Ok(if standby.age > horizon.age { standby } else { horizon })
    }

    /// Standbys and slots report a transaction id without a time: its age is estimated from the rate of transactions.
    async fn of_standbys(client: &Client) -> Result<Horizon, Error> {
        let before = standby_snapshots(client).await?;
        if !before.iter().any(|held| held.behind > USUAL_LAG) {
            return Ok(Horizon::default());
        }
        let looked = Instant::now();
        tokio::time::sleep(SAMPLE_INTERVAL).await;
        let after = standby_snapshots(client).await?;
        let seconds = looked.elapsed().as_secs_f64();
        let mut oldest = Horizon::default();
        for held in after.into_iter().filter(|held| held.behind > USUAL_LAG) {
            // A snapshot that advances is not held.
            let Some(first) =
                before.iter().find(|first| first.holder == held.holder && first.xmin == held.xmin)
            else {
                continue;
            };
            // Without new transactions, the rate counts as one per interval.
            let rate = (held.behind - first.behind).max(1.0) / seconds;
            let age = (held.behind / rate).min(MAX_AGE);
            if age > oldest.age {
                oldest = Horizon { age, holder: held.holder };
            }
        }
        Ok(oldest)
    }
}

/// A transaction whose rows a standby or a slot retains.
struct Held {
    holder: String,
    xmin: String,
    /// Transactions since.
    behind: f64,
}

async fn standby_snapshots(client: &Client) -> Result<Vec<Held>, Error> {
    // Not age(): it does not advance within a transaction.
    let sql = "SELECT holder, xmin::text, \
                   pg_catalog.mod(pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::numeric - xmin::text::numeric + 4294967296, 4294967296)::float8 \
               FROM (SELECT pg_catalog.format('the standby %s (pid %s)', coalesce(nullif(application_name, ''), 'without a name'), pid), backend_xmin \
                     FROM pg_stat_replication \
                     UNION ALL SELECT pg_catalog.format('the replication slot %s', slot_name), xmin FROM pg_replication_slots) AS held (holder, xmin) \
               WHERE xmin IS NOT NULL";
    let rows = client.query_boxed(sql, &[]).await;
    let rows = rows.map_err(Error::database("reading the snapshots of standbys"))?;
    Ok(rows.iter().map(|row| Held { holder: row.get(0), xmin: row.get(1), behind: row.get(2) }).collect())
}

/// Chooses the strategy from the facts about statement, table and server.
pub(crate) fn choose(
    directive: &BackfillDirective,
    shape: Option<&Shape>,
    table: &Table,
    horizon: &Horizon,
) -> Choice {
    let plain = |strategy, reason: String| Choice { strategy, reason, rotation: 1 };
    if directive.walks_heap() {
        return plain(Strategy::Heap, "the directive walks the heap".to_owned());
    }
    let forced = directive.strategy;
    if forced == Some(Strategy::Keyset) {
        return plain(Strategy::Keyset, "set by the directive".to_owned());
    }
    let rejected = reject_stripes(shape, table, horizon, forced.is_some());
    match rejected {
        Some(reason) => plain(Strategy::Keyset, reason),
        None => {
            // 1.5 times the age of the oldest snapshot between two visits, at 30 ms a batch.
            let apart = super::facts::whole((horizon.age * 1.5 / 0.03).ceil());
            let rotation = u32::try_from(apart).unwrap_or(u32::MAX).clamp(ROTATION.0, ROTATION.1);
            let reason = match forced {
                Some(_) => "set by the directive".to_owned(),
                None => format!(
                    "no index holds a changed column, the key follows the heap, and the oldest snapshot is {:.1} s old: \
                     the space of {} of {STRIPES} rows is reused",
                    horizon.age,
                    STRIPES - 1
                ),
            };
            Choice { strategy: Strategy::Striped, reason, rotation }
        }
    }
}

/// Why stripes would not be faster, or are not possible.
fn reject_stripes(shape: Option<&Shape>, table: &Table, horizon: &Horizon, forced: bool) -> Option<String> {
    if !shape.is_some_and(|shape| shape.striped) {
        return Some("the statement has no stripe condition (`key % $3 = $4`)".to_owned());
    }
    if let Some(leaf) = table.leaves.iter().find(|leaf| !leaf.counts) {
        return Some(format!("the key of {} is not a non-negative integer, which stripes need", leaf.name));
    }
    if forced {
        return None;
    }
    if let Some(index) = table.leaves.iter().find_map(|leaf| leaf.index_on_set.as_ref()) {
        return Some(format!("the index {index} holds a changed column: build it afterwards"));
    }
    if let Some(trigger) = table.leaves.iter().find_map(|leaf| leaf.changes.unreadable.as_ref()) {
        return Some(format!(
            "the trigger {trigger} may change a column that an index holds: its function cannot be analyzed"
        ));
    }
    let rows = table.rows();
    if rows < SMALL {
        return Some(format!("{rows} rows are too few"));
    }
    if let Some(leaf) = table.leaves.iter().find(|leaf| leaf.rows > SMALL && leaf.order < ORDERED) {
        return Some(format!(
            "the key of {} does not follow the heap (correlation {:.2})",
            leaf.name, leaf.order
        ));
    }
    horizon.is_held().then(|| {
        format!("{} holds a snapshot for {:.0} s, so space cannot be reused", horizon.holder, horizon.age)
    })
}
