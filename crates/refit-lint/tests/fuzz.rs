//! Hostile input: whatever is in the files, linting ends in findings, in time that grows with the input, and no file is lost.
//!
//! Texts are spliced from a corpus (the labelled cases, the sample's migrations, fragments that have hurt parsers before)
//! and then damaged, byte by byte and token by token. `REFIT_FUZZ_SECONDS=600` runs for that long.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use refit_lint::{Config, Input, Outcome, lint, predict};

/// Pieces that have broken parsers and splitters before.
const FRAGMENTS: [&str; 40] = [
    "\\echo hello\n",
    "\\i other.sql\n\\.\n",
    "COPY t (a, b) FROM stdin;\n1\t'x\n2\t$$y\n\\.\n",
    "COPY t FROM stdin;\n",
    "'",
    "\"",
    "$$",
    "$a$ $b$ $a$ $b$",
    "$$ $x$ $$",
    "DO $$ BEGIN EXECUTE $q$ DO $r$ BEGIN DROP TABLE t; END $r$ $q$; END $$;",
    "/* /* */",
    "*/",
    "--",
    "-- refit: allow(drop-table): because it is so\n",
    "-- refit: allow(\n",
    "-- refit: backfill = { table = \"t\", key = [\"id\"] }\n",
    "-- refit: transaction = false\n",
    "-- refit: phase = \"contract\"\n",
    "E'\\'",
    "U&\"d\\0061t\\+000061\" UESCAPE '!'",
    "((((((((((",
    "))))))))))",
    "[[[[",
    "CASE CASE WHEN CASE ",
    "BEGIN BEGIN LOOP IF x THEN ",
    "END; END IF; END LOOP;",
    "SELECT SELECT FROM FROM WHERE",
    "NOT NOT NOT ",
    "a.b.c.d.e.*",
    "1e 1e+ .5. 0x 1_000__",
    "::int::text[][3]",
    ";;;;",
    "\u{feff}",
    "\u{202e}\u{0}\u{a0}é𝄞",
    "\r\n\r",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; ",
    "WITH RECURSIVE w AS (UPDATE t SET a = 1 RETURNING *) ",
    "ALTER TABLE t ADD COLUMN, DROP COLUMN, ALTER COLUMN;",
    "MERGE INTO t USING u ON WHEN MATCHED THEN",
    "CREATE TABLE t (a int, b, CONSTRAINT, CHECK (), PRIMARY KEY);",
];

/// One step of making a text.
#[derive(Debug, Clone)]
enum Edit {
    /// Appends a part of a text of the corpus.
    Take { text: prop::sample::Index, from: prop::sample::Index, length: usize },
    /// Appends a fragment, a number of times.
    Fragment { which: prop::sample::Index, times: usize },
    /// Removes some bytes.
    Cut { at: prop::sample::Index, length: usize },
    /// Writes bytes over others.
    Bytes { at: prop::sample::Index, bytes: Vec<u8> },
    /// Repeats some bytes in place.
    Repeat { at: prop::sample::Index, length: usize, times: usize },
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (index(), index(), 1..400_usize).prop_map(|(text, from, length)| Edit::Take { text, from, length }),
        3 => (index(), prop_oneof![4 => Just(1_usize), 1 => 2..50_usize, 1 => 1_000..3_000_usize])
            .prop_map(|(which, times)| Edit::Fragment { which, times }),
        2 => (index(), 1..30_usize).prop_map(|(at, length)| Edit::Cut { at, length }),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Edit::Bytes { at, bytes }),
        1 => (index(), 1..40_usize, 2..60_usize)
            .prop_map(|(at, length, times)| Edit::Repeat { at, length, times }),
    ]
}

fn make(edits: &[Edit], corpus: &[String]) -> Vec<u8> {
    let mut made: Vec<u8> = Vec::new();
    for edit in edits {
        let place = |at: &prop::sample::Index| at.index(made.len() + 1);
        match edit {
            Edit::Take { text, from, length } => {
                let text = corpus[text.index(corpus.len())].as_bytes();
                let from = from.index(text.len().max(1));
                made.extend(&text[from..(from + length).min(text.len())]);
            }
            Edit::Fragment { which, times } => {
                made.extend(FRAGMENTS[which.index(FRAGMENTS.len())].repeat(*times).as_bytes());
            }
            Edit::Cut { at, length } => {
                let at = place(at);
                made.drain(at..(at + length).min(made.len()));
            }
            Edit::Bytes { at, bytes } => {
                let at = place(at);
                made.splice(at..(at + bytes.len()).min(made.len()), bytes.iter().copied());
            }
            Edit::Repeat { at, length, times } => {
                let at = place(at);
                let piece = made[at..(at + length).min(made.len())].repeat(*times);
                made.splice(at..at, piece);
            }
        }
    }
    made
}

/// The labelled cases, the sample's migrations, and the examples of the rules' pages.
fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders =
        ["tests/lint_cases", "migrations", "crates/refit-lint/src/rules", "../shared/conformance/lint"];
    let mut paths: Vec<_> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(root.join(folder)).ok())
        .flat_map(|entries| entries.map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    paths.sort();
    let files = paths.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let examples = refit_lint::RULES.iter().flat_map(|rule| rule.examples()).map(|example| example.sql);
    files.chain(examples).collect()
}

fn input(path: &str, bytes: Vec<u8>) -> Input {
    Input { path: path.to_owned(), bytes, named_by_folder: true, reported: true }
}

/// What must hold of any outcome: every file is there, and every place is in its file.
fn hold(inputs: &[Input], outcome: &Outcome) -> Result<(), TestCaseError> {
    prop_assert_eq!(outcome.summary.files, inputs.len());
    prop_assert_eq!(outcome.summary.findings, outcome.findings.len());
    for finding in &outcome.findings {
        let Some(input) = inputs.iter().find(|input| input.path == finding.path) else {
            return Err(TestCaseError::fail(format!("a finding in no file: {finding:?}")));
        };
        let text = input.text();
        let (start, end) = (finding.span.start as usize, finding.span.end as usize);
        prop_assert!(start <= end && end <= text.len(), "{finding:?}");
        prop_assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{finding:?}");
        prop_assert!(finding.start <= finding.end && finding.start.line >= 1, "{finding:?}");
        prop_assert!(finding.start.column >= 1 && !finding.message.is_empty(), "{finding:?}");
    }
    for input in inputs {
        let is_text = std::str::from_utf8(&input.bytes).is_ok_and(|text| !text.contains('\0'));
        let is_reported = outcome.findings.iter().any(|finding| finding.path == input.path);
        prop_assert!(is_text || is_reported, "{} is not text, and no finding reports it", input.path);
    }
    Ok(())
}

#[test]
fn no_input_is_too_much() {
    let corpus = corpus();
    let seconds = std::env::var("REFIT_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let runs = std::cell::Cell::new(0_u64);
    let slowest = std::cell::Cell::new(Duration::ZERO);
    loop {
        let mut runner = TestRunner::new(Runs { cases: 60, failure_persistence: None, ..Runs::default() });
        let texts = prop::collection::vec(prop::collection::vec(edit(), 1..12), 1..4);
        let tried = runner.run(&texts, |texts| {
            let inputs: Vec<Input> = texts
                .iter()
                .enumerate()
                .map(|(index, edits)| input(&format!("V{index}__x.sql"), make(edits, &corpus)))
                .collect();
            let start = Instant::now();
            let outcome = lint(&inputs, &Config::default());
            slowest.set(slowest.get().max(start.elapsed()));
            hold(&inputs, &outcome)?;
            prop_assert_eq!(&outcome, &lint(&inputs, &Config::default()), "not the same twice");
            predict(&inputs, 17);
            // What the parser cannot take is caught; it is ours to know of it all the same.
            let gives_up =
                outcome.findings.iter().find(|finding| finding.message.contains("parser cannot handle"));
            prop_assert_eq!(gives_up, None);
            runs.set(runs.get() + 1);
            Ok(())
        });
        tried.unwrap_or_else(|error| panic!("{error}"));
        if Instant::now() >= until {
            break;
        }
    }
    println!("{} runs, the slowest took {:?}", runs.get(), slowest.get());
}

#[test]
fn deep_nesting_is_reported_and_the_rest_is_read() {
    for level in
        ["(", "CASE WHEN ", "NOT ", "- ", "x || ", "f(1, ", "(SELECT * FROM ", "ARRAY[", "EXISTS (SELECT "]
    {
        let text = format!("SELECT {}1;\nDROP TABLE posts;", level.repeat(10_000));
        let rules = rules(&[input("V1__x.sql", text.into_bytes())]);
        assert_eq!(rules, ["syntax-error", "drop-table"], "{level}");
    }
    // Just as deep as is allowed.
    for level in
        ["(", "CASE WHEN x THEN ", "NOT ", "x || ", "(SELECT * FROM ", "EXISTS (SELECT ", "x IN (SELECT "]
    {
        let text = format!("SELECT {}1;\nDROP TABLE posts;", level.repeat(1_600));
        assert!(
            rules(&[input("V1__x.sql", text.into_bytes())]).contains(&"drop-table".to_owned()),
            "{level}"
        );
    }
    let blocks = format!("DO $$ {} NULL; {} $$;", "BEGIN ".repeat(20_000), "END; ".repeat(20_000));
    assert_eq!(rules(&[input("V1__x.sql", blocks.into_bytes())]), ["opaque-execute"]);
}

#[test]
fn a_mistake_costs_its_statement_only() {
    for mistake in
        ["ALTER TABEL t;", "SELECT (((;", "CREATE TABLE t (a int,, b);", "\\echo x\n", "UPDATE SET;"]
    {
        let text = format!("{mistake}\nDROP TABLE posts;\n");
        let rules = rules(&[input("V1__x.sql", text.into_bytes())]);
        assert!(rules.contains(&"drop-table".to_owned()), "{mistake}: {rules:?}");
        assert!(rules.len() >= 2, "{mistake}: {rules:?}");
    }
}

#[test]
fn what_is_not_text_is_reported() {
    for bytes in [&b"DROP TABLE \xff;"[..], b"SELECT 1;\0", b"\xfe\xff\0S", b"\xff\xfeS\0"] {
        assert!(!rules(&[input("V1__x.sql", bytes.to_vec())]).is_empty(), "{bytes:?}");
    }
}

#[test]
fn long_files_and_many_files_take_time_in_proportion() {
    let statements = "ALTER TABLE posts ADD COLUMN a text; -- refit: x\nUPDATE posts SET a = 'x' WHERE id = 1;\n\
                      SELECT a FROM b WHERE c = 'd' AND e IN (1, 2, 3);\n'unbalanced (\nDROP TABLE '' x; --'\n";
    let time = |inputs: &[Input]| {
        let start = Instant::now();
        let outcome = lint(inputs, &Config::default());
        assert_eq!(outcome.summary.files, inputs.len());
        start.elapsed()
    };
    let lines = |lines: usize| [input("V1__x.sql", statements.repeat(lines / 5).into_bytes())];
    let long =
        |count: usize| [input("V1__x.sql", format!("SELECT {};", "x = 1 OR ".repeat(count)).into_bytes())];
    let errors = |count: usize| [input("V1__x.sql", ") ".repeat(count).into_bytes())];
    let files = |count: usize| -> Vec<Input> {
        (0..count).map(|index| input(&format!("V{index}__x.sql"), statements.into())).collect()
    };
    for (what, small, large) in [
        ("lines", time(&lines(10_000)), time(&lines(100_000))),
        ("conditions", time(&long(5_000)), time(&long(50_000))),
        ("errors in a line", time(&errors(10_000)), time(&errors(100_000))),
        ("files", time(&files(1_000)), time(&files(10_000))),
    ] {
        // Ten times as much may take ten times as long, and half as much again for caches and a busy machine.
        let most = small * 25 + Duration::from_millis(200);
        assert!(large < most, "{what}: {small:?} for a tenth, {large:?} for all");
        println!("{what}: {small:?}, ten times as many {large:?}");
    }
}

/// The rules that report, in the order of their findings, each once in a row.
fn rules(inputs: &[Input]) -> Vec<String> {
    let outcome = lint(inputs, &Config::default());
    hold(inputs, &outcome).unwrap();
    let mut rules: Vec<String> = outcome.findings.iter().map(|finding| finding.rule.to_owned()).collect();
    rules.dedup();
    rules
}
