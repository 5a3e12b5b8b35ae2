//! Kills processes and cuts connections at random moments, for everything that changes a database. `cargo xtask test --chaos SECONDS`
//! attacks each kind of work for that long, and at least 200 times; as an ordinary test each is attacked a few times.
//!
//! Invariant: after the last attack an undisturbed process finishes, and everything has happened exactly once.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use refit_devdb::TestDb;
use tokio::process::Child;

use crate::support::{advisory_locks, boot, execute, folder, value};

/// The number of attacks if no time is given, and the least number if one is.
const FEW: usize = 12;
const MANY: usize = 200;

struct Attack {
    seed: u64,
    files: Vec<(String, String)>,
    /// A query for what has happened, as one text, and its expected result at the end.
    check: &'static str,
    expected: String,
    /// Whether the process rolls back to version 1 after everything was applied.
    rolls_back: bool,
}

impl Attack {
    async fn run(self) {
        let limit = std::env::var("REFIT_CHAOS").ok().and_then(|seconds| seconds.parse().ok());
        let limit: Option<Duration> = limit.map(Duration::from_secs);
        let files: Vec<(&str, &str)> =
            self.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let folder = folder(&files);
        let (began, mut attacks, mut rounds) = (Instant::now(), 0, 0);
        let mut random = StdRng::seed_from_u64(self.seed);
        let more = |attacks: usize| match limit {
            Some(limit) => attacks < MANY || began.elapsed() < limit,
            None => attacks < FEW,
        };
        while more(attacks) {
            let db = TestDb::empty().await.unwrap();
            if self.rolls_back {
                let ended = boot::end(boot::work(folder.path(), db.url(), 30.0)).await;
                assert!(ended.success, "{}", ended.stderr);
            }
            attacks += self.round(&db, folder.path(), &mut random, &more, attacks).await;
            rounds += 1;
            let seen: String = value(&db, self.check).await;
            assert_eq!(seen, self.expected, "after {attacks} attacks");
            assert_eq!(advisory_locks(&db).await, 0);
        }
        println!("{attacks} kills and cuts in {rounds} rounds");
    }

    fn start(&self, db: &TestDb, folder: &Path) -> Child {
        match self.rolls_back {
            true => boot::go_back(folder, db.url(), 1.0, 1),
            false => boot::work(folder, db.url(), 1.0),
        }
    }

    /// Attacks until the process finishes nevertheless; returns the number of attacks.
    async fn round(
        &self,
        db: &TestDb,
        folder: &Path,
        random: &mut StdRng,
        more: &impl Fn(usize) -> bool,
        before: usize,
    ) -> usize {
        let mut attacks = 0;
        // Attacks come later each time, so that each round ends.
        let mut longest = 60;
        while more(before + attacks) {
            let mut process = self.start(db, folder);
            tokio::time::sleep(Duration::from_millis(random.random_range(5..longest))).await;
            longest += 8;
            if process.try_wait().unwrap().is_some() {
                let ended = boot::end(process).await;
                assert!(ended.success, "after {} attacks: {}", before + attacks, ended.stderr);
                return attacks;
            }
            match attacks % 3 {
                0 => cut(db, process).await,
                _ => {
                    process.start_kill().unwrap();
                    boot::end(process).await;
                }
            }
            attacks += 1;
        }
        let ended = boot::end(self.start(db, folder)).await;
        assert!(ended.success, "after {} attacks: {}", before + attacks, ended.stderr);
        attacks
    }
}

/// Ends all sessions of the process, then the process: it may connect again in between.
async fn cut(db: &TestDb, mut process: Child) {
    execute(
        db,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name LIKE 'refit%' AND pid <> pg_backend_pid()",
    )
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    process.start_kill().ok();
    boot::end(process).await;
}

fn file(name: &str, text: impl Into<String>) -> (String, String) {
    (name.to_owned(), text.into())
}

const ROWS: u32 = 4_000;
const LOG: &str = "SELECT string_agg(entry, ' ' ORDER BY entry) FROM (SELECT format('%s*%s', entry, count(*)) AS entry \
                   FROM log GROUP BY log.entry) AS entries";
const COUNTS: &str = "SELECT string_agg(format('%s: %s', n, rows), ', ' ORDER BY n) FROM (SELECT n, count(*) AS rows FROM t GROUP BY n) AS counts";

fn table() -> (String, String) {
    file(
        "V1__t.sql",
        format!(
            "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, old int); INSERT INTO t (id) SELECT generate_series(1, {ROWS});"
        ),
    )
}

fn fill(directive: &str, stripe: &str) -> (String, String) {
    file(
        "V2__fill.sql",
        format!(
            "-- refit: backfill = {{ table = \"t\", key = [\"id\"], batch = 40{directive} }}\n\
             UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2{stripe};"
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn transactional_steps_survive_attacks() {
    let mut files = vec![file("V1__log.sql", "CREATE TABLE log (entry text);")];
    files.extend((10..40).map(|version| {
        let text = format!(
            "CREATE TABLE t{version} (); INSERT INTO log VALUES ('{version}'); SELECT pg_sleep(0.002);"
        );
        file(&format!("V{version}__t.sql"), text)
    }));
    let expected: Vec<String> = (10..40).map(|version| format!("{version}*1")).collect();
    let expected = expected.join(" ");
    Attack { seed: 1, files, check: LOG, expected, rolls_back: false }.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_outside_a_transaction_survive_attacks() {
    let statements: Vec<String> = (10..30)
        .map(|number| {
            format!(
                "INSERT INTO log SELECT '{number}' FROM pg_sleep(0.002);\nCREATE INDEX CONCURRENTLY log_{number} ON log (entry);\n"
            )
        })
        .collect();
    let files = vec![
        file("V1__log.sql", "CREATE TABLE log (entry text);"),
        file(
            "V2__many.sql",
            format!("-- refit: transaction = false\n{}DROP INDEX CONCURRENTLY log_10;", statements.concat()),
        ),
    ];
    let check = "SELECT string_agg(entry, ' ' ORDER BY entry) || (SELECT format(' %s valid', count(*)) FROM pg_index \
                 WHERE indrelid = 'log'::regclass AND indisvalid) FROM (SELECT format('%s*%s', entry, count(*)) AS entry \
                 FROM log GROUP BY log.entry) AS entries";
    let expected: Vec<String> = (10..30).map(|number| format!("{number}*1")).collect();
    let expected = format!("{} 19 valid", expected.join(" "));
    Attack { seed: 2, files, check, expected, rolls_back: false }.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyset_backfills_survive_attacks() {
    let (files, expected) = (vec![table(), fill("", "")], format!("1: {ROWS}"));
    Attack { seed: 3, files, check: COUNTS, expected, rolls_back: false }.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn striped_backfills_survive_attacks() {
    let files = vec![table(), fill(", strategy = \"striped\"", " AND id % $3 = $4")];
    Attack { seed: 4, files, check: COUNTS, expected: format!("1: {ROWS}"), rolls_back: false }.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backfills_with_a_journal_survive_attacks() {
    let files = vec![table(), fill(", undo = [\"n\"]", "")];
    Attack { seed: 5, files, check: COUNTS, expected: format!("1: {ROWS}"), rolls_back: false }.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollbacks() {
    let files = vec![
        table(),
        fill(", undo = [\"n\"]", ""),
        file("V3__more.sql", "CREATE TABLE more ();"),
        file("V3__more.down.sql", "DROP TABLE more;"),
        file("V4__ix.sql", "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY t_n ON t (old);"),
        file("V4__ix.down.sql", "-- refit: transaction = false\nDROP INDEX CONCURRENTLY t_n;"),
    ];
    Attack { seed: 6, files, check: COUNTS, expected: format!("0: {ROWS}"), rolls_back: true }.run().await;
}
