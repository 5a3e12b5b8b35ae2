//! A boot with nothing to do.

use std::path::Path;
use std::time::{Duration, Instant};

use refit_model::MigrationSet;

use crate::carried::{Carried, Open, Session, Tool};
use crate::lab::{Lab, THOUSAND};
use crate::sample;
use crate::table::{Cell, Row, Verdict};
use crate::timing::{Times, by_turns};

/// The contender after the tools: a `SELECT 1`, the lower bound of every boot that queries the database.
const SELECT: usize = 3;

/// The one after that: Refit with a folder that it reads from disk at every boot.
const FROM_DISK: usize = 4;

/// The round trip through the proxy.
const ROUND_TRIP: Duration = Duration::from_millis(10);

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
        what: "no-op, 1,000 migrations: round trips".to_owned(),
        tools: counts.map(|count| Cell::count(count, "round trips")),
        floor: Cell::none(),
        target: "1",
        verdict: Verdict::of(counts[0] <= 1, ""),
        note: None,
    }])
}

/// Time over an open connection: one that was used before, and one that is new.
pub(super) async fn time(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    let databases = lab.applied().await?;
    let urls = databases.map(|database| lab.url(&database));
    lab.say("no-op boot: time");
    let used = used_connection(lab, &urls).await?;
    let folder = tempfile::tempdir()?;
    write_folder(&lab.thousand, folder.path())?;
    let mut new = Times::new(5);
    for contender in by_turns(lab.pace.turns(200, 40), 5) {
        let url = &urls[contender % SELECT];
        new.add(contender, one(&lab.thousand, contender, url, folder.path()).await?);
    }
    let note = "the connection was used before, so that the server's caches are warm; what a client cached is cleared";
    let used = compared(&used, "no-op, 1,000 migrations: time, open connection", Some(note));
    let note =
        "the session's first statement: most of the time the server fills its own caches, for all three";
    let first = compared(&new, "no-op, 1,000 migrations: time, new connection", Some(note));
    let first = match first.verdict {
        Verdict::Met(ratio) | Verdict::Missed(ratio) | Verdict::Open(ratio) => {
            Row { target: "", verdict: Verdict::Open(ratio), ..first }
        }
    };
    let disk = Row {
        what: "the same, folder read from disk".to_owned(),
        tools: [Cell::time(new.median(FROM_DISK)), Cell::none(), Cell::none()],
        floor: Cell::none(),
        target: "",
        verdict: Verdict::Open(String::new()),
        note: Some(
            "without refit-build: 1,000 files are read, checked and digested at every boot".to_owned(),
        ),
    };
    Ok(vec![used, first, disk])
}

async fn used_connection(lab: &Lab, urls: &[String; 3]) -> anyhow::Result<Times> {
    let mut sessions = Vec::new();
    for (tool, url) in Tool::ALL.into_iter().zip(urls) {
        sessions.push(Session::open(tool, url).await?);
    }
    sessions.push(Session::Refit(Open::new(&urls[0]).await?));
    for (contender, session) in sessions.iter_mut().enumerate() {
        boot_or_select(&lab.thousand, contender, session).await?;
    }
    let mut times = Times::new(4);
    for contender in by_turns(lab.pace.turns(300, 60), 4) {
        sessions[contender].forget().await?;
        times.add(contender, boot_or_select(&lab.thousand, contender, &mut sessions[contender]).await?);
    }
    for session in sessions {
        session.close().await;
    }
    Ok(times)
}

fn compared(times: &Times, what: &str, note: Option<&str>) -> Row {
    let tools = [0, 1, 2].map(|index| times.median(index));
    let ratio = times.ratio(0, 1).max(times.ratio(0, 2));
    Row {
        what: what.to_owned(),
        tools: tools.map(Cell::time),
        floor: Cell::time(times.median(SELECT)),
        target: "≤ 0.3 × the faster peer",
        verdict: Verdict::of(ratio <= 0.3, format!("{ratio:.2} ×")),
        note: note.map(str::to_owned),
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
    let proxy = lab.proxy(ROUND_TRIP / 2)?;
    // The cost of passing through the proxy is subtracted from the delay.
    let mut trial = Times::new(2);
    for contender in by_turns(15, 2) {
        let url = if contender == 0 { lab.url(&databases[0]) } else { proxy.url(&databases[0]) };
        trial.add(contender, one(&lab.thousand, SELECT, &url, Path::new("")).await?);
    }
    proxy.shorten(trial.median(1).saturating_sub(trial.median(0) + ROUND_TRIP));
    let mut times = Times::new(4);
    for contender in by_turns(lab.pace.turns(15, 5), 4) {
        let url = proxy.url(&databases[contender % SELECT]);
        times.add(contender, one(&lab.thousand, contender, &url, Path::new("")).await?);
    }
    let took = times.median(0);
    Ok(vec![Row {
        what: "no-op, 1,000 migrations: at 10 ms round trip".to_owned(),
        tools: [0, 1, 2].map(|index| Cell::time(times.median(index))),
        floor: Cell::time(times.median(SELECT)),
        target: "≤ 12 ms",
        verdict: Verdict::of(took <= Duration::from_millis(12), ""),
        note: Some(
            "through a proxy that makes a SELECT 1, the floor, take 10 ms longer than directly".to_owned(),
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
    for contender in by_turns(lab.pace.turns(25, 7), 6) {
        let (carried, databases) = if contender < 3 { (&lab.thousand, &small) } else { (&many, &large) };
        let url = lab.url(&databases[contender % 3]);
        times.add(contender, one(carried, contender % 3, &url, Path::new("")).await?);
    }
    for database in &large {
        lab.discard(database).await?;
    }
    let ratio = |tool: usize| times.ratio(tool + 3, tool);
    Ok(vec![Row {
        what: "no-op, 10,000 migrations: time".to_owned(),
        tools: [0, 1, 2].map(|tool| Cell::time_and_ratio(times.median(tool + 3), ratio(tool))),
        floor: Cell::none(),
        target: "≤ 12 ×",
        verdict: Verdict::of(ratio(0) <= 12.0, format!("{:.1} ×", ratio(0))),
        note: Some(
            "in brackets: × the time with 1,000; the 10,000 are entered in the history without being run, by refinery's Target::Fake and sqlx's skip"
                .to_owned(),
        ),
    }])
}
