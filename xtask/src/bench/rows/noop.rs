//! A boot with nothing to do.

use std::path::Path;
use std::time::{Duration, Instant};

use refit_model::MigrationSet;

use crate::bench::carried::{Carried, Open, Session, Tool};
use crate::bench::lab::{Lab, THOUSAND};
use crate::bench::sample;
use crate::bench::table::{Cell, Row, Verdict};
use crate::bench::timing::{Times, by_turns};

/// The contender after the tools: a `SELECT 1`, which nobody who looks at the database can beat.
const SELECT: usize = 3;

/// The one after that: Refit with a folder that it reads from disk at every boot.
const FROM_DISK: usize = 4;

/// Round trips, counted by a proxy.
pub(super) async fn round_trips(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    let databases = lab.applied().await?;
    lab.say("no-op boot: round trips");
    let proxy = lab.proxy(Duration::ZERO)?;
    let mut counts = [0; 3];
    for (index, tool) in Tool::ALL.into_iter().enumerate() {
        let mut session = Session::open(tool, &proxy.url(&databases[index])).await?;
        proxy.take_round_trips();
        lab.thousand.boot(&mut session).await?;
        counts[index] = proxy.take_round_trips();
        session.close().await;
    }
    Ok(vec![Row {
        what: format!("no-op boot, {THOUSAND} migrations: round trips"),
        tools: counts.map(|count| Cell::count(count, "round trips")),
        floor: Cell::none(),
        target: "1",
        verdict: Verdict::of(counts[0] <= 1, ""),
        note: None,
    }])
}

/// Time over a connection that is open already.
pub(super) async fn time(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    let databases = lab.applied().await?;
    let urls = databases.map(|database| lab.url(&database));
    let folder = tempfile::tempdir()?;
    write_folder(&lab.thousand, folder.path())?;
    lab.say("no-op boot: time");
    let mut times = Times::new(5);
    for contender in by_turns(lab.repeat(200, 40), 5) {
        let url = &urls[contender % SELECT];
        times.add(contender, one(&lab.thousand, contender, url, folder.path()).await?);
    }
    let mut again = Times::new(4);
    let mut sessions = Vec::new();
    for (tool, url) in Tool::ALL.into_iter().zip(&urls) {
        sessions.push(Session::open(tool, url).await?);
    }
    sessions.push(Session::Refit(Open::new(&urls[0]).await?));
    for contender in by_turns(lab.repeat(300, 60), 4) {
        again.add(contender, boot_or_select(&lab.thousand, contender, &mut sessions[contender]).await?);
    }
    for session in sessions {
        session.close().await;
    }
    let first = compared(&times, format!("no-op boot, {THOUSAND} migrations: time over a new connection"));
    let second = compared(&again, "the same again over that connection".to_owned());
    let disk = times.median(FROM_DISK);
    let third = Row {
        what: "the same, folder read from disk".to_owned(),
        tools: [Cell::time(disk), Cell::none(), Cell::none()],
        floor: Cell::none(),
        target: "",
        verdict: Verdict::Open(String::new()),
        note: Some(
            "without refit-build: 1,000 files are read, checked and digested at every boot".to_owned(),
        ),
    };
    Ok(vec![first, second, third])
}

fn compared(times: &Times, what: String) -> Row {
    let tools = [0, 1, 2].map(|index| times.median(index));
    let faster = tools[1].min(tools[2]);
    let ratio = tools[0].as_secs_f64() / faster.as_secs_f64();
    Row {
        what,
        tools: tools.map(Cell::time),
        floor: Cell::time(times.median(SELECT)),
        target: "≤ 0.3 × the faster peer",
        verdict: Verdict::of(ratio <= 0.3, format!("{ratio:.2} ×")),
        note: None,
    }
}

/// One boot on a connection of its own that was opened before.
async fn one(carried: &Carried, contender: usize, url: &str, folder: &Path) -> anyhow::Result<Duration> {
    let tool = Tool::ALL.get(contender).copied().unwrap_or(Tool::Refit);
    let mut session = Session::open(tool, url).await?;
    let took = match &session {
        Session::Refit(open) if contender == FROM_DISK => {
            let began = Instant::now();
            refit::Migrator::new(MigrationSet::from_dir(folder)?).apply(&open.client).await?;
            began.elapsed()
        }
        _ => boot_or_select(carried, contender, &mut session).await?,
    };
    session.close().await;
    Ok(took)
}

async fn boot_or_select(
    carried: &Carried,
    contender: usize,
    session: &mut Session,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    match contender {
        SELECT => session.execute("SELECT 1").await?,
        _ => carried.boot(session).await?,
    }
    Ok(began.elapsed())
}

fn write_folder(carried: &Carried, folder: &Path) -> std::io::Result<()> {
    carried.files().try_for_each(|(stem, sql)| std::fs::write(folder.join(format!("{stem}.sql")), sql))
}

/// Time through a proxy that makes a round trip take 10 ms.
pub(super) async fn distance(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    let databases = lab.applied().await?;
    lab.say("no-op boot: time at 10 ms round trip");
    let proxy = lab.proxy(Duration::from_millis(5))?;
    let mut times = Times::new(4);
    for contender in by_turns(lab.repeat(15, 5), 4) {
        let url = proxy.url(&databases[contender % SELECT]);
        times.add(contender, one(&lab.thousand, contender, &url, Path::new("")).await?);
    }
    let took = times.median(0);
    Ok(vec![Row {
        what: "no-op boot at 10 ms round trip".to_owned(),
        tools: [0, 1, 2].map(|index| Cell::time(times.median(index))),
        floor: Cell::time(times.median(SELECT)),
        target: "≤ 12 ms",
        verdict: Verdict::of(took <= Duration::from_millis(12), ""),
        note: Some(
            "through a proxy that holds every byte for 5 ms each way; the floor is a SELECT 1".to_owned(),
        ),
    }])
}

/// Time with ten times as many migrations.
pub(super) async fn growth(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    let small = lab.applied().await?;
    lab.say("no-op boot: recording 10,000 migrations");
    let many = Carried::new(&sample::history(10 * THOUSAND))?;
    let large = lab.recorded(&many).await?;
    lab.say("no-op boot: time at 10,000 migrations");
    let mut times = Times::new(6);
    for contender in by_turns(lab.repeat(25, 7), 6) {
        let (carried, databases) = if contender < 3 { (&lab.thousand, &small) } else { (&many, &large) };
        let url = lab.url(&databases[contender % 3]);
        times.add(contender, one(carried, contender % 3, &url, Path::new("")).await?);
    }
    for database in &large {
        lab.discard(database).await?;
    }
    let ratio = |tool: usize| times.median(tool + 3).as_secs_f64() / times.median(tool).as_secs_f64();
    Ok(vec![Row {
        what: "no-op boot, 10,000 migrations (× the time with 1,000)".to_owned(),
        tools: [0, 1, 2].map(|tool| Cell::time_and_ratio(times.median(tool + 3), ratio(tool))),
        floor: Cell::none(),
        target: "≤ 12 ×",
        verdict: Verdict::of(ratio(0) <= 12.0, format!("{:.1} ×", ratio(0))),
        note: Some(
            "the 10,000 are entered in the history without being run, by refinery's Target::Fake and sqlx's skip"
                .to_owned(),
        ),
    }])
}
