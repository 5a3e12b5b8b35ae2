//! Placeholders on a server: values by kind, by environment and from the program; what is recorded, and where errors are.

use refit::__private::include_dir::{Dir, DirEntry, File};
use refit::{Embedded, Error, Migrator, Rollback, Verdict};
use refit_devdb::TestDb;

use crate::support::{applied, execute, exists, migrator, set, value};

/// Values that end a quote that is not theirs.
const HOSTILE: [&str; 10] = [
    "it's",
    "a\\",
    "\\'; DROP TABLE kept; --",
    "'; DROP TABLE kept; --",
    "$$",
    "$1 ${v0} $x$",
    "\"; DROP TABLE kept; --\"",
    "line\n-- comment /* \n*/",
    "U&'\\0041' \u{1f600} \u{202e}",
    ";",
];

#[tokio::test]
async fn hostile_values_stay_values() {
    let names: Vec<String> = (0..HOSTILE.len()).map(|index| format!("v{index}")).collect();
    let table = names.iter().map(|name| format!("{name} = \"\"\n")).collect::<String>();
    let settings = format!("[variables]\n{table}");
    let literals: String =
        names.iter().map(|name| format!("INSERT INTO kept VALUES ('{name}', ${{{name}}});\n")).collect();
    let identifiers: String = names
        .iter()
        .map(|name| format!("CREATE TABLE ${{{name}:ident}} (${{{name}:ident}} text DEFAULT ${{{name}}});\n"))
        .collect();
    let files = [
        ("refit.toml", settings.as_str()),
        ("V1__kept.sql", "CREATE TABLE kept (name text, value text);"),
        ("V2__literals.sql", &literals),
        ("V3__identifiers.sql", &identifiers),
    ];
    let with_values = || {
        let named = names.iter().zip(HOSTILE);
        named.fold(migrator(&files), |migrator, (name, value)| migrator.variable(name, value))
    };
    for conforming in ["on", "off"] {
        let db = TestDb::empty().await.unwrap();
        let set = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = {conforming}', \
             current_database()); END $$"
        );
        execute(&db, &set).await;
        with_values().run(db.url()).await.unwrap();
        assert_eq!(applied(&db).await, "1,2,3");
        for (name, hostile) in names.iter().zip(HOSTILE) {
            let stored = format!("SELECT value FROM kept WHERE name = '{name}'");
            assert_eq!(value::<String>(&db, &stored).await, hostile);
        }
        let tables = "SELECT string_agg(relname, '|' ORDER BY attname COLLATE \"C\") FROM pg_class c JOIN pg_attribute a \
                      ON a.attrelid = c.oid AND attnum = 1 AND attname = relname WHERE relkind = 'r'";
        let mut expected = HOSTILE;
        expected.sort_unstable();
        assert_eq!(value::<String>(&db, tables).await, expected.join("|"));
    }
}

const SETTINGS: &str = "[variables]\nreader = \"app\"\ngreeting = \"hello\"\n\
                        [environment.staging.variables]\ngreeting = \"bonjour\"\nsecret_word = \"plover\"\n";

#[tokio::test]
async fn the_environment_and_the_program_say_what_a_variable_is() {
    let files = [("refit.toml", SETTINGS), ("V1__t.sql", "CREATE TABLE t (a text DEFAULT ${greeting});")];
    let greeting = async |migrator: Migrator| {
        let db = TestDb::empty().await.unwrap();
        migrator.run(db.url()).await.unwrap();
        execute(&db, "INSERT INTO t DEFAULT VALUES").await;
        value::<String>(&db, "SELECT a FROM t").await
    };
    assert_eq!(greeting(migrator(&files)).await, "hello");
    assert_eq!(greeting(migrator(&files).environment("staging")).await, "bonjour");
    let given = migrator(&files).environment("staging").variable("greeting", "salve");
    assert_eq!(greeting(given).await, "salve");
    // The set was read before the environment was known.
    let early = migrator(&files);
    early.set().unwrap();
    assert_eq!(greeting(early.environment("staging")).await, "bonjour");
}

#[tokio::test]
async fn without_a_value_nothing_runs() {
    let files = [
        ("refit.toml", SETTINGS),
        ("V1__t.sql", "CREATE TABLE t (a text);"),
        ("V2__u.sql", "INSERT INTO t\nVALUES (${secret_word});"),
    ];
    let db = TestDb::empty().await.unwrap();
    let refused = async |migrator: Migrator| {
        let error = migrator.run(db.url()).await.unwrap_err();
        assert!(matches!(error, Error::Set(_)), "{error:?}");
        assert!(!exists(&db, "t").await && !exists(&db, "refinery_schema_history").await);
        error.message()
    };
    let message = refused(migrator(&files)).await;
    assert!(message.contains("V2__u.sql:2:9: the variable `secret_word` has no value"), "{message}");
    assert!(message.contains("--var secret_word=VALUE") && message.contains("production"), "{message}");
    let message = refused(migrator(&files).variable("secret_wort", "x")).await;
    assert!(message.contains("there is no variable `secret_wort`"), "{message}");
    assert!(message.contains("did you mean `secret_word`?"), "{message}");
    let message = refused(migrator(&files).variable("secret_word", "plugh\0")).await;
    assert!(message.contains("contains a NUL byte") && !message.contains("plugh"), "{message}");
    migrator(&files).variable("secret_word", "xyzzy").run(db.url()).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT a FROM t").await, "xyzzy");
}

#[tokio::test]
async fn another_value_is_not_another_migration() {
    let files = [
        ("refit.toml", SETTINGS),
        ("V1__t.sql", "CREATE TABLE t (a text DEFAULT ${greeting});"),
        ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT ${greeting} AS greeting;"),
    ];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    let written = refinery_core::Migration::unapplied("V1__t", files[1].1).unwrap().checksum();
    let recorded = "SELECT checksum FROM refinery_schema_history";
    assert_eq!(value::<String>(&db, recorded).await, written.to_string());
    let other = || migrator(&files).variable("greeting", "salve");
    let client = db.connect().await.unwrap();
    assert!(other().plan(&client).await.unwrap().is_up_to_date());
    assert!(other().run(db.url()).await.unwrap().steps.is_empty());
    assert_eq!(value::<String>(&db, "SELECT greeting FROM v").await, "hello");
}

#[tokio::test]
async fn a_down_file_a_check_and_a_budget_have_values() {
    let files = [
        ("refit.toml", SETTINGS),
        ("V1__t.sql", "CREATE TABLE ${reader:ident} (a text DEFAULT ${greeting});"),
        ("V1__t.down.sql", "DROP TABLE ${reader:ident};"),
        ("V1__t.check.sql", "-- check: name\nSELECT ${greeting} AS wrong WHERE ${greeting} <> 'hello';"),
        ("V1__t.budget.sql", "SELECT a FROM ${reader:ident} WHERE a = ${greeting};"),
    ];
    let db = TestDb::empty().await.unwrap();
    let ran = |greeting: &str| {
        migrator(&files).variable("greeting", greeting).checks(true).budgets(refit::Budgets::Measure)
    };
    let error = ran("salve").run(db.url()).await.unwrap_err();
    let Error::Checks { failed, .. } = &error else { panic!("{error:?}") };
    assert_eq!(failed[0], "name (V1__t.check.sql:2): wrong = salve");
    assert!(!exists(&db, "app").await);
    let report = ran("hello").run(db.url()).await.unwrap();
    assert_eq!(report.steps[0].checks[0].verdict, Verdict::Passed);
    assert!(report.budgets.iter().all(|budget| budget.error.is_none()), "{:?}", report.budgets);
    assert!(exists(&db, "app").await);
    migrator(&files).rollback(db.url(), &Rollback { to: 0, ..Rollback::default() }).await.unwrap();
    assert!(!exists(&db, "app").await);
}

#[tokio::test]
async fn an_error_has_its_place_in_the_file_as_written() {
    let text = "CREATE TABLE t (a text DEFAULT ${greeting},\n  b text DEFAULT ${reader}, c no_such_type);";
    let db = TestDb::empty().await.unwrap();
    for greeting in ["", "a much longer value\nof two lines, with ümlaut"] {
        let files = [("refit.toml", SETTINGS), ("V1__t.sql", text)];
        let error = migrator(&files).variable("greeting", greeting).run(db.url()).await.unwrap_err();
        let Error::Statement(failed) = &error else { panic!("{error:?}") };
        let position = failed.position.unwrap();
        assert_eq!((position.line, position.column), (2, 31), "{error}");
        assert_eq!(failed.line.as_deref(), Some("  b text DEFAULT ${reader}, c no_such_type);"));
        assert!(!error.message().contains("longer value"), "{error}");
    }
    // Within a value, the error is at the placeholder.
    let files = [("refit.toml", SETTINGS), ("V1__t.sql", "SELECT 1,\n ${greeting:raw};")];
    let error = migrator(&files).variable("greeting", "2, missing").run(db.url()).await.unwrap_err();
    let Error::Statement(failed) = &error else { panic!("{error:?}") };
    assert_eq!(failed.position.map(|at| (at.line, at.column)), Some((2, 2)), "{error}");
    // A value cannot do what a file may not do.
    let error = migrator(&files).variable("greeting", "2;\nCOMMIT").run(db.url()).await.unwrap_err();
    let Error::TransactionControl { position, .. } = &error else { panic!("{error:?}") };
    assert_eq!((position.line, position.column), (2, 2), "{error}");
}

#[tokio::test]
async fn a_backfill_keeps_the_values_with_which_it_was_registered() {
    let files = [
        ("refit.toml", SETTINGS),
        (
            "V1__t.sql",
            "CREATE TABLE t (id bigint PRIMARY KEY, a text); INSERT INTO t SELECT i FROM generate_series(1, 100) i;",
        ),
        (
            "V2__fill.sql",
            "-- refit: backfill = { table = \"t\", key = [\"id\"] }\n\
             UPDATE t SET a = ${greeting} WHERE id > $1 AND id <= $2 AND a IS NULL;",
        ),
    ];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).backfills(refit::Backfills::Hold).run(db.url()).await.unwrap();
    let other = migrator(&files).variable("greeting", "salve");
    other.run_backfills(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE a = 'hello'").await, 100);
}

#[tokio::test]
async fn a_half_done_migration_does_not_continue_with_another_value() {
    let files = [
        ("refit.toml", SETTINGS),
        (
            "V1__t.sql",
            "-- refit: transaction = false\nCREATE TABLE t (a text DEFAULT ${greeting});\nSELECT 1 / count(*) FROM t;",
        ),
    ];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).run(db.url()).await.unwrap_err();
    assert!(exists(&db, "t").await);
    let error = migrator(&files).variable("greeting", "salve").run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::EditedWhileHalfDone { done: 1, .. }), "{error:?}");
    execute(&db, "INSERT INTO t DEFAULT VALUES").await;
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn a_script_has_values_and_records_the_text_as_written() {
    let files = [("refit.toml", SETTINGS), ("V1__t.sql", "CREATE TABLE t (a text DEFAULT ${greeting});")];
    let db = TestDb::empty().await.unwrap();
    let client = db.connect().await.unwrap();
    let script = migrator(&files).plan_sql(&client).await.unwrap();
    assert!(script.contains("CREATE TABLE t (a text DEFAULT 'hello');"), "{script}");
    let written = refinery_core::Migration::unapplied("V1__t", files[1].1).unwrap().checksum();
    assert!(script.contains(&written.to_string()), "{script}");
}

#[tokio::test]
async fn without_variables_a_text_is_sent_as_it_is() {
    let files =
        [("V1__t.sql", "CREATE TABLE t AS SELECT '${greeting}' AS a, $$${x$$ AS b, $${1,2}$$::int[] AS c;")];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT concat_ws('|', a, b, c) FROM t").await, "${greeting}|${x|{1,2}");
}

/// The folder inside a binary, with the digest that the build computes.
fn embedded(files: &[(&'static str, &'static str)]) -> &'static Embedded {
    let file = |(path, text): &(&'static str, &'static str)| DirEntry::File(File::new(path, text.as_bytes()));
    let entries: Vec<DirEntry<'static>> = files.iter().map(file).collect();
    let folder = Box::leak(Box::new(Dir::new("", Box::leak(entries.into_boxed_slice()))));
    let versioned = Box::leak(set(files).history_digest("").versioned.into_boxed_str());
    Box::leak(Box::new(Embedded::new(folder, versioned, "", "1")))
}

#[tokio::test]
async fn with_nothing_to_do_apply_needs_no_values() {
    let embedded = embedded(&[
        ("refit.toml", SETTINGS),
        ("V1__t.sql", "CREATE TABLE t (a text DEFAULT ${secret_word});"),
    ]);
    let db = TestDb::empty().await.unwrap();
    let error = Migrator::new(embedded).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::Set(_)), "{error:?}");
    let report = Migrator::new(embedded).environment("staging").run(db.url()).await.unwrap();
    assert_eq!(report.steps.len(), 1);
    let client = db.connect().await.unwrap();
    assert!(Migrator::new(embedded).apply(&client).await.unwrap().steps.is_empty());
}

#[tokio::test]
async fn a_block_reads_a_value_from_a_setting() {
    let files = [
        ("refit.toml", SETTINGS),
        (
            "V1__t.sql",
            "SELECT set_config('migration.reader', ${reader}, true);\n\
             DO $$ BEGIN EXECUTE format('CREATE TABLE %I (id bigint)', current_setting('migration.reader')); END $$;",
        ),
    ];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).variable("reader", "It's").run(db.url()).await.unwrap();
    assert!(exists(&db, "\"It''s\"").await);
}

#[tokio::test]
async fn a_comment_has_no_placeholders() {
    let files = [
        ("refit.toml", SETTINGS),
        ("V1__t.sql", "-- ${unknown}\nCREATE TABLE t (a text DEFAULT ${greeting} /* ${also:unknown} */);"),
    ];
    let db = TestDb::empty().await.unwrap();
    migrator(&files).run(db.url()).await.unwrap();
    assert!(exists(&db, "t").await);
}
