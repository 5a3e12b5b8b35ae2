//! Compares the linter's predictions with a server, for every labelled case and every example of every page: exactly the predicted
//! effects occur.

use refit::model::SqlText;
use refit_devdb::TestDb;
use refit_lint::{Input, example_values, predict};
use refit_rehearsal::{File, Options, mismatches, runs, trace};

use crate::support::major;

const TABLES: &str = include_str!("lint_trace/fixture.sql");

/// What a case needs in addition to the tables of all cases; cases that create `orders` themselves get nothing.
const MORE: &[(&str, &str)] = &[
    ("107", "CREATE SEQUENCE orders_n_seq"),
    ("139", "ALTER TABLE orders ADD CONSTRAINT fk1 FOREIGN KEY (customer_id) REFERENCES customers (id)"),
    ("140", "ALTER TYPE mood ADD VALUE 'meh'"),
    ("145", "CREATE INDEX i1 ON orders (status)"),
    ("165", "ALTER TABLE orders ADD CONSTRAINT c1 CHECK (amount > 0)"),
    ("30", "ALTER TABLE orders DROP COLUMN region CASCADE"),
    ("40", "ALTER TABLE orders ADD COLUMN a text"),
    ("44", "CREATE TABLE measurements (ts timestamptz NOT NULL, value numeric) PARTITION BY RANGE (ts)"),
    ("46", "ALTER TABLE orders ADD COLUMN c bigint"),
    ("50", "CREATE UNIQUE INDEX u1_idx ON orders (id, code)"),
    ("52", "ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE"),
    ("12", "ALTER TABLE orders DROP COLUMN code"),
    ("64", "CREATE INDEX i1 ON orders (status)"),
    ("66", "CREATE INDEX i1 ON orders (status)"),
    ("73", "CREATE INDEX i1 ON orders (status)"),
    ("75", "CREATE INDEX i1 ON orders (status)"),
    ("76", "ALTER TABLE orders ADD COLUMN x integer"),
    ("86", "ALTER TABLE m ATTACH PARTITION m_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')"),
    ("87", "ALTER TABLE m ATTACH PARTITION m_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')"),
];

/// Cases that a server rejects, with the SQLSTATE: most of them test that; the others need what a private server lacks.
const REFUSED: &[(&str, &str)] = &[
    ("101", "23502"),
    // A backfill whose statement ignores the bounds of its batch.
    ("120", "back"),
    ("121", "23514"),
    ("146", "42501"),
    ("147", "42601"),
    ("150", "25001"),
    ("151", "25001"),
    ("153", "2D000"),
    ("162", "COPY"),
    ("163", "0A000"),
    ("174", "23502"),
    ("41", "25001"),
    ("42", "25001"),
    ("60", "55P04"),
    // There is no such tablespace.
    ("71", "42704"),
    ("84", "42601"),
];

/// Known differences, with the reason.
const DIFFERENT: &[(&str, &str, &str)] = &[(
    "74",
    "not predicted for mv: ACCESS EXCLUSIVE",
    "what CASCADE takes along is not followed through views; drop-table is found all the same",
)];

/// The number that a case's name begins with.
fn number(name: &str) -> &str {
    name.split('_').next().unwrap_or(name)
}

#[tokio::test]
async fn no_case_differs_from_the_prediction() {
    let fill = async |url: &str| {
        let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
        client.batch_execute(TABLES).await.unwrap();
        client.close().await;
        refit_rehearsal::rows::fill(url, 500, &mut refit_rehearsal::rows::Tables::default()).await.unwrap();
        Ok::<(), refit_devdb::Error>(())
    };
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    let cases = super::lint_conformance::cases();
    for case in &cases {
        let more = MORE.iter().find(|(name, _)| *name == number(&case.name)).map_or("", |(_, sql)| sql);
        let own = case.files.iter().any(|(_, text)| {
            ["TABLE orders (", "TABLE public.orders ("].iter().any(|create| text.contains(create))
                && !text.contains("IF NOT EXISTS orders")
        });
        let own_m = case.files.iter().any(|(_, text)| text.contains("CREATE TABLE m ("));
        let db = match own || own_m {
            true => TestDb::empty().await.unwrap(),
            false => TestDb::filled(TABLES, fill).await.unwrap(),
        };
        let mut files = if own || own_m { Vec::new() } else { vec![("V0__fixture.sql", TABLES, false)] };
        if !more.is_empty() {
            crate::support::execute(&db, more).await;
            files.push(("V0__more.sql", more, false));
        }
        files.extend(case.files.iter().map(|(path, text)| (path.as_str(), text.as_str(), true)));
        // The rows of case 61 would have to be within bounds, so it gets none.
        let rows = if number(&case.name) == "61" { 0 } else { 500 };
        let (mut complaints, failure) = compare(&db, &files, rows).await;
        complaints.retain(|complaint| {
            !DIFFERENT.iter().any(|(name, text, _)| *name == number(&case.name) && text == complaint)
        });
        wrong.extend(complaints.into_iter().map(|complaint| format!("{}: {complaint}", case.name)));
        refused.extend(failure.map(|failure| format!("{} {failure}", number(&case.name))));
    }
    assert!(wrong.is_empty(), "\n{}\n{}", wrong.join("\n"), refused.join("\n"));
    // Without the shared cases, some of these do not exist.
    let is_here = |name: &str| cases.iter().any(|case| number(&case.name) == name);
    let here = REFUSED.iter().filter(|(name, _)| is_here(name));
    let mut expected: Vec<String> = here.map(|(name, code)| format!("{name} {code}")).collect();
    // A virtual column needs PostgreSQL 18.
    // MERGE needs 15.
    refused.retain(|refused| refused != "105 42601" && refused != "83 42601");
    refused.sort();
    expected.sort();
    assert_eq!(refused, expected);
}

/// Runs the files that are marked, on what the others have created, with a trace; returns the mismatches with the prediction, and
/// the SQLSTATE of a failure.
async fn compare(db: &TestDb, files: &[(&str, &str, bool)], rows: u32) -> (Vec<String>, Option<String>) {
    let version = major(db).await;
    let inputs: Vec<Input> = files
        .iter()
        .filter(|(path, ..)| runs(path))
        .map(|(path, text, reported)| Input {
            path: (*path).to_owned(),
            bytes: SqlText::from((*text).to_owned())
                .with_values(path, &example_values())
                .unwrap()
                .as_bytes()
                .to_vec(),
            named_by_folder: true,
            reported: *reported,
        })
        .collect();
    let traced = inputs.iter().filter(|input| input.reported);
    let traced: Vec<File> = traced.map(|input| File::new(&input.path, &input.text(), true)).collect();
    let options = Options { rows, transaction_control: true, ..Options::default() };
    let trace = trace(db.url(), &traced, &options).await.unwrap();
    let predicted = predict(&inputs, version);
    let wrong = mismatches(&trace, &predicted).iter().map(ToString::to_string).collect();
    let failure = trace.failure().and_then(|statement| statement.failure.as_ref());
    (
        wrong,
        failure.map(|failure| {
            failure.sqlstate.clone().unwrap_or_else(|| failure.message.chars().take(4).collect())
        }),
    )
}
