//! The ways to fill the column, and their cost.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use refit::model::{MigrationSet, SourceFile};
use refit::{Backfills, ConnectOptions, Migrator};
use refit_model::wording::counted;
use refit_scenarios::{Latencies, Traffic};

use super::table::{self, Lab};
use super::traffic::{CLIENTS, RATE, Titles};

/// One way to fill the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// The traffic alone.
    Nobody,
    Update,
    Procedure,
    Refit {
        workers: u32,
        striped: bool,
        journal: bool,
    },
}

impl Contender {
    pub(crate) fn name(self) -> String {
        match self {
            Contender::Nobody => "no backfill".to_owned(),
            Contender::Update => "one UPDATE".to_owned(),
            Contender::Procedure => "loop in PL/pgSQL, 10,000 a batch".to_owned(),
            Contender::Refit { workers, striped, journal } => format!(
                "refit, {}, {}{}",
                if striped { "striped" } else { "keyset" },
                counted(workers, "worker"),
                if journal { ", undo journal" } else { "" }
            ),
        }
    }

    fn set(self) -> anyhow::Result<MigrationSet> {
        let Contender::Refit { workers, striped, journal } = self else { anyhow::bail!("not refit") };
        let undo = if journal { ", undo = [\"site_id\"]" } else { "" };
        // The default batch size of keys is that of the hand-written loop.
        let text = format!(
            "-- refit: backfill = {{ table = \"content_versions\", key = [\"id\"], workers = {workers}{undo} }}\n{};\n",
            table::batch(striped)
        );
        let file = SourceFile::new("V1__fill.sql", text.into_bytes());
        Ok(MigrationSet::from_files("bench", vec![file])?)
    }
}

/// The result of a run.
pub(crate) struct Outcome {
    pub(crate) took: Duration,
    pub(crate) wal: u64,
    /// Bytes of heap and indexes, before and after.
    pub(crate) before: u64,
    pub(crate) after: u64,
    pub(crate) strategy: Option<String>,
    pub(crate) latencies: Option<Latencies>,
}

impl Outcome {
    pub(crate) fn rate(&self, rows: u64) -> f64 {
        rows as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn growth(&self) -> f64 {
        self.after as f64 / self.before as f64 - 1.0
    }
}

/// Runs a contender on a fresh copy, with traffic if requested.
pub(crate) async fn run(lab: &Lab, contender: Contender, traffic: bool) -> anyhow::Result<Outcome> {
    let url = lab.copy().await?;
    let client = refit::connect(&url, &ConnectOptions::default()).await?;
    if contender == Contender::Procedure {
        client.batch_execute(&table::procedure()).await?;
    }
    let size = "SELECT pg_total_relation_size('content_versions')";
    let before: i64 = client.query_one(size, &[]).await?.get(0);
    let wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8";
    let wal_before: i64 = client.query_one(wal, &[]).await?.get(0);
    let beside = match traffic {
        true => Some(Traffic::start(&url, Titles { rows: lab.rows }, RATE, CLIENTS).await?),
        false => None,
    };
    let began = Instant::now();
    let mut strategy = None;
    match contender {
        Contender::Nobody => tokio::time::sleep(Duration::from_secs(15)).await,
        Contender::Update => client.batch_execute(&table::update()).await?,
        Contender::Procedure => client.batch_execute("CALL fill(10000)").await?,
        Contender::Refit { .. } => {
            let migrator = Migrator::new(contender.set()?).backfills(Backfills::Inline);
            let report = migrator.run(&url).await.context("the backfill failed")?;
            strategy = report.backfills.first().and_then(|status| {
                Some(format!(
                    "{}, {} batches: {}",
                    status.strategy.as_ref()?,
                    status.batches,
                    status.reason.as_ref()?
                ))
            });
        }
    }
    let took = began.elapsed();
    let latencies = match beside {
        Some(traffic) => Some(traffic.end().await?),
        None => None,
    };
    let failed = latencies.iter().flat_map(Latencies::errors).next();
    ensure!(failed.is_none(), "a request failed: {failed:?}");
    let wal_after: i64 = client.query_one(wal, &[]).await?.get(0);
    let after: i64 = client.query_one(size, &[]).await?.get(0);
    if contender != Contender::Nobody {
        let left: i64 = client
            .query_one("SELECT count(*) FROM content_versions WHERE site_id IS NULL", &[])
            .await?
            .get(0);
        ensure!(left == 0, "{}: {left} rows were not filled", contender.name());
    }
    client.close().await;
    let bytes = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Outcome {
        took,
        wal: bytes(wal_after - wal_before),
        before: bytes(before),
        after: bytes(after),
        strategy,
        latencies,
    })
}
