//! A long reader holds a table that an ALTER needs, while others read it too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::carried::{Carried, Open, Session, Tool};
use crate::lab::Lab;
use crate::sample::Text;
use crate::table::{Cell, Row, Verdict};

/// How long the long reader holds the table.
const HELD: &str = "4";

/// The other readers, each on a connection of its own.
const READERS: usize = 4;

const PAUSE: Duration = Duration::from_millis(20);

/// The longest allowed stall.
const TARGET: Duration = Duration::from_millis(2_200);

/// The result of a boot.
struct Outcome {
    /// The longest wait of any reader.
    stall: Duration,
    /// How long the boot took.
    boot: Duration,
    /// Whether the migration was applied.
    altered: bool,
}

/// Runs all tools at once, each in its own database: the figures are waits, not CPU time.
pub(super) async fn rows(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    lab.say("readers of a table that an ALTER needs");
    let set = Carried::new(&[Text {
        version: 1,
        name: "add_note".to_owned(),
        sql: "ALTER TABLE held ADD COLUMN note text;\n".to_owned(),
        transaction: true,
    }])?;
    let databases = Tool::ALL.map(|tool| format!("reader_{}", tool.name()));
    for database in &databases {
        lab.create(database).await?;
    }
    let [refit, refinery, sqlx] = databases.each_ref().map(|database| lab.url(database));
    let (refit, refinery, sqlx) = tokio::try_join!(
        one(&set, Tool::Refit, &refit),
        one(&set, Tool::Refinery, &refinery),
        one(&set, Tool::Sqlx, &sqlx),
    )?;
    for database in &databases {
        lab.discard(database).await?;
    }
    let met = refit.stall <= TARGET && refit.altered;
    let note = format!(
        "one reader holds the table for {HELD} s; {READERS} others read every {} ms; the boots took {}, {} and {}",
        PAUSE.as_millis(),
        Cell::time(refit.boot).text,
        Cell::time(refinery.boot).text,
        Cell::time(sqlx.boot).text
    );
    Ok(vec![Row {
        what: "worst stall of readers while an ALTER waits".to_owned(),
        tools: [refit, refinery, sqlx].map(|outcome| {
            let done = if outcome.altered { "altered" } else { "NOT altered" };
            Cell::time(outcome.stall).and(done)
        }),
        floor: Cell::none(),
        target: "≤ 2.2 s, ALTER succeeds",
        verdict: Verdict::of(met, ""),
        note: Some(note),
    }])
}

async fn one(set: &Carried, tool: Tool, url: &str) -> anyhow::Result<Outcome> {
    let observer = Open::new(url).await?;
    observer.client.batch_execute("CREATE TABLE held AS SELECT generate_series(1, 1000) AS id").await?;
    let long = Open::new(url).await?;
    let mut session = Session::open(tool, url).await?;
    let enough = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(tokio::spawn(read(Open::new(url).await?, Arc::clone(&enough))));
    }
    let holding = async {
        let sql = format!("BEGIN; SELECT count(*) FROM held; SELECT pg_sleep({HELD}); COMMIT");
        long.client.batch_execute(&sql).await.context("the long reader failed")
    };
    let booting = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        set.boot(&mut session).await.with_context(|| format!("{} failed", tool.name()))?;
        anyhow::Ok(began.elapsed())
    };
    let both = tokio::try_join!(holding, booting);
    enough.store(true, Ordering::Relaxed);
    let mut stall = Duration::ZERO;
    for reader in readers {
        stall = stall.max(reader.await??);
    }
    let ((), boot) = both?;
    let sql = "SELECT count(*) = 1 FROM information_schema.columns WHERE table_name = 'held' AND column_name = 'note'";
    let altered = observer.client.query_one(sql, &[]).await?.get(0);
    session.close().await;
    long.close().await;
    observer.close().await;
    Ok(Outcome { stall, boot, altered })
}

/// Reads until `enough` is set; returns the longest wait.
async fn read(open: Open, enough: Arc<AtomicBool>) -> anyhow::Result<Duration> {
    let mut longest = Duration::ZERO;
    while !enough.load(Ordering::Relaxed) {
        let began = Instant::now();
        open.client.batch_execute("SELECT id FROM held WHERE id = 7").await.context("a reader failed")?;
        longest = longest.max(began.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    open.close().await;
    Ok(longest)
}
