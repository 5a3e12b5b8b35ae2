//! Predictions of the linter for generated pairs: every kind of statement on every shape of table, run on a server and rolled back.
//! Except for the listed differences, exactly the predicted effects occur.

use refit_devdb::TestDb;
use refit_lint::{Input, predict};
use refit_rehearsal::{File, Options, mismatches, trace};

use crate::support::major;

const SHAPES: &str = include_str!("lint_effects/shapes.sql");
const STATEMENTS: &str = include_str!("lint_effects/statements.sql");

/// Known differences: the beginnings of the shape, of the statement and of the difference; and the reason.
const DIFFERENT: &[(&str, &str, &str, &str)] = &[(
    "",
    "ALTER TABLE t ALTER COLUMN d TYPE timestamptz",
    "predicted for t: rewrites the table; it did not happen",
    "the server of a test is in UTC, which the migration does not say of every other",
)];

/// The parts of a file: each begins with a line `-- NAME`.
fn parts(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("\n== ").map(|part| part.trim_start_matches("== "));
    parts.filter_map(|part| part.split_once('\n')).map(|(name, sql)| (name.trim(), sql.trim())).collect()
}

/// The number of pairs that agree, the number that the server rejected, and the differences.
#[derive(Default)]
struct Tally {
    agree: usize,
    refused: usize,
    wrong: Vec<String>,
}

async fn shape(name: &str, sql: &str, major: u32, tally: &mut Tally) {
    let fill = async |url: &str| {
        let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        client.batch_execute("VACUUM ANALYZE").await.unwrap();
        client.close().await;
        Ok::<(), refit_devdb::Error>(())
    };
    let db = TestDb::filled(sql, fill).await.unwrap();
    for statement in STATEMENTS.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        let inputs =
            [Input::of_folder("V1__shape.sql", sql, false), Input::of_folder("V2__it.sql", statement, true)];
        let traced = [File::new(&inputs[1].path, statement, true)];
        let trace = trace(db.url(), &traced, &Options { commit: false, ..Options::default() }).await.unwrap();
        if trace.failure().is_some() {
            tally.refused += 1;
            continue;
        }
        let all: Vec<String> =
            mismatches(&trace, &predict(&inputs, major)).iter().map(ToString::to_string).collect();
        let is_known = |one: &String| {
            DIFFERENT.iter().any(|(of, begins, differs, _)| {
                name.starts_with(of) && statement.starts_with(begins) && one.starts_with(differs)
            })
        };
        let new: Vec<String> = all.into_iter().filter(|one| !is_known(one)).collect();
        match new.is_empty() {
            true => tally.agree += 1,
            false => tally.wrong.push(format!("{name} | {statement} | {}", new.join("; "))),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictions_hold_for_every_pair_of_statement_and_table() {
    let db = TestDb::empty().await.unwrap();
    let major = major(&db).await;
    let mut tally = Tally::default();
    for (name, sql) in parts(SHAPES) {
        shape(name, sql, major, &mut tally).await;
    }
    let Tally { agree, refused, wrong } = tally;
    println!("PostgreSQL {major}: {agree} pairs agree, {} differ, the server refuses {refused}", wrong.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(agree > 700, "{agree}");
}
