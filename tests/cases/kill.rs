//! SIGKILL of the applying process at any moment: the next boot continues, and at the end everything happened once.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use refit_devdb::TestDb;

use crate::support::{advisory_locks, boot, folder, value};

const KILLS: usize = 50;
const VERSIONS: usize = 30;

/// Every significant statement inserts a row into `log`; a step logs its own number last.
fn files() -> Vec<(String, String)> {
    let mut files = vec![(
        "V1__log.sql".to_owned(),
        "CREATE TABLE log (entry text NOT NULL);\nCREATE TABLE t (id int, a int);\n\
         INSERT INTO t SELECT i, i % 100 FROM generate_series(1, 5000) i;\nINSERT INTO log VALUES ('1');"
            .to_owned(),
    )];
    for version in 2..=VERSIONS {
        let text = match version {
            7 => "-- refit: transaction = false\nINSERT INTO log VALUES ('7 first');\n\
                  CREATE INDEX CONCURRENTLY t_a ON t (a);\nINSERT INTO log VALUES ('7 second');\n\
                  CREATE UNIQUE INDEX CONCURRENTLY t_id ON t (id);\nINSERT INTO log VALUES ('7');"
                .to_owned(),
            15 => "-- refit: transaction = false\nSET search_path = public;\nVACUUM t;\n\
                   DO $$ BEGIN PERFORM pg_sleep(0.002); INSERT INTO log VALUES ('15 do'); END $$;\n\
                   CREATE INDEX CONCURRENTLY IF NOT EXISTS t_a_id ON t (a, id);\n\
                   DROP INDEX CONCURRENTLY t_a;\nINSERT INTO log VALUES ('15');"
                .to_owned(),
            _ => format!(
                "CREATE TABLE t{version} (id int PRIMARY KEY, a text);\n\
                 INSERT INTO t{version} SELECT i, 'x' FROM generate_series(1, 500) i;\nSELECT pg_sleep(0.001);\n\
                 ALTER TABLE t ADD COLUMN c{version} int DEFAULT {version};\nINSERT INTO log VALUES ('{version}');"
            ),
        };
        files.push((format!("V{version}__step.sql"), text));
    }
    let view =
        "CREATE OR REPLACE VIEW sums AS SELECT a, count(*) FROM t GROUP BY a;\nINSERT INTO log VALUES ('R');";
    files.push(("R__sums.sql".to_owned(), view.to_owned()));
    files
}

/// How the times of the kills are chosen, as fractions of a whole boot.
enum Moments {
    Anywhere,
    Later,
    Earlier,
}

impl Moments {
    fn share(&self, random: &mut StdRng, killed: usize) -> f64 {
        let step = (killed % 10) as f64 / 10.0;
        match self {
            Moments::Anywhere => random.random_range(0.0..1.1),
            Moments::Later => step,
            Moments::Earlier => 1.0 - step,
        }
    }
}

#[tokio::test]
async fn a_process_killed_at_any_moment_needs_no_repair() {
    let seed = std::env::var("REFIT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    eprintln!("REFIT_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let files = files();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let folder = folder(&files);

    let reference = TestDb::empty().await.unwrap();
    let began = Instant::now();
    boot::boot(folder.path(), reference.url()).await;
    let whole = began.elapsed();
    let expected = schema(&reference).await;
    assert_complete(&reference, &expected).await;

    // The reference boot may have been slow because of other load: a boot that ends before its kill makes the next kill earlier.
    let (mut killed, mut missed) = (0, 0);
    while killed < KILLS {
        let db = TestDb::empty().await.unwrap();
        loop {
            let moments = match killed {
                ..30 => Moments::Anywhere,
                30..40 => Moments::Later,
                _ => Moments::Earlier,
            };
            let after = whole.mul_f64(moments.share(&mut random, killed) * 0.9_f64.powi(missed));
            if killed < KILLS && kill(folder.path(), &db, after).await {
                (killed, missed) = (killed + 1, 0);
                assert_history_agrees(&db).await;
            } else {
                missed += 1;
                break;
            }
        }
        // A boot without a kill, after whatever the last kill left.
        boot::boot(folder.path(), db.url()).await;
        assert_complete(&db, &expected).await;
    }
}

/// Boots, and kills the process after that time. False if it ended before.
async fn kill(folder: &Path, db: &TestDb, after: Duration) -> bool {
    let mut process = boot::start(folder, db.url());
    tokio::time::sleep(after).await;
    process.start_kill().unwrap();
    let ended = boot::end(process).await;
    // It succeeds or ends by the signal; never with an error.
    assert!(ended.success || ended.killed, "{ended:?}");
    ended.killed
}

/// This holds at every moment, even while the session of the killed process still runs: the log entry of a step and its history
/// row become visible together.
async fn assert_history_agrees(db: &TestDb) {
    if !value::<bool>(db, "SELECT to_regclass('log') IS NOT NULL").await {
        return;
    }
    let sql = "SELECT count(*) FROM (SELECT version::text AS entry FROM refinery_schema_history) AS history \
               FULL JOIN (SELECT entry FROM log WHERE entry ~ '^[0-9]+$') AS log USING (entry) \
               WHERE entry NOT IN ('7', '15') AND (history IS NULL OR log IS NULL)";
    assert_eq!(value::<i64>(db, sql).await, 0, "steps and history differ");
}

async fn assert_complete(db: &TestDb, expected: &str) {
    let twice = "SELECT coalesce(string_agg(entry, ', '), '') FROM \
                 (SELECT entry FROM log GROUP BY entry HAVING count(*) <> 1) AS wrong";
    assert_eq!(value::<String>(db, twice).await, "", "these ran more than once");
    // Versions, the repeatable one, and the three inside steps.
    assert_eq!(value::<i64>(db, "SELECT count(*) FROM log").await, VERSIONS as i64 + 4);
    let history = "SELECT count(DISTINCT version) FROM refinery_schema_history";
    assert_eq!(value::<i64>(db, history).await, VERSIONS as i64);
    assert_eq!(value::<i64>(db, "SELECT count(*) FROM refit.repeatable").await, 1);
    assert_eq!(value::<i64>(db, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 0);
    assert_eq!(advisory_locks(db).await, 0);
    assert_eq!(schema(db).await, expected);
}

/// Every column and index, as text.
async fn schema(db: &TestDb) -> String {
    let sql = "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ( \
                   SELECT format('%s.%s %s %s', table_name, column_name, data_type, column_default) \
                   FROM information_schema.columns WHERE table_schema = 'public' \
                   UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public') AS lines (line)";
    value(db, sql).await
}
