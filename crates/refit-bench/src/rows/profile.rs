//! A boot with nothing to do, with a profile of the environment and without.

use std::time::{Duration, Instant};

use crate::carried::Open;
use crate::lab::Lab;
use crate::table::{Cell, Row, Verdict};
use crate::timing::{Times, by_turns};

/// Round trips, and the time over an open connection compared with that without a profile.
pub(super) async fn rows(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    let [database, ..] = lab.applied().await?;
    lab.say("no-op boot: with a profile, and without");
    let governed = lab.thousand.with_profile()?;
    let plain = lab.thousand.embedded();

    let proxy = lab.proxy(Duration::ZERO)?;
    let open = Open::new(&proxy.url(&database)).await?;
    proxy.take_round_trips();
    refit::Migrator::new(governed).apply(&open.client).await?;
    let trips = proxy.take_round_trips();
    open.close().await;

    let open = Open::new(&lab.url(&database)).await?;
    let mut times = Times::new(2);
    for contender in by_turns(lab.pace.turns(1_000, 200), 2) {
        let embedded = [governed, plain][contender];
        let began = Instant::now();
        refit::Migrator::new(embedded).apply(&open.client).await?;
        times.add(contender, began.elapsed());
    }
    open.close().await;
    let ratio = times.ratio(0, 1);
    Ok(vec![
        Row {
            what: "no-op with a profile: round trips".to_owned(),
            tools: [Cell::count(trips, "round trips"), Cell::none(), Cell::none()],
            floor: Cell::none(),
            target: "1",
            verdict: Verdict::of(trips == 1, ""),
            note: None,
        },
        Row {
            what: "no-op with a profile: time, open connection".to_owned(),
            tools: [Cell::time(times.median(0)), Cell::none(), Cell::none()],
            floor: Cell::time(times.median(1)),
            target: "≤ 1.1 × without",
            verdict: Verdict::of(ratio <= 1.1, format!("{ratio:.2} ×")),
            note: Some(
                "1,000 migrations, each with an approval and a check, windows and a freeze period; the floor is the time without a profile"
                    .to_owned(),
            ),
        },
    ])
}
