//! The statements that `fix` writes have the same effect on a server as those that they replace: schema and rows are equal afterwards.
//!
//! Cases: the unsafe examples of the rules' pages, and the texts of the linter's own tests of fixes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use refit::Migrator;
use refit::model::{FileKind, MigrationSet, SourceFile, front_matter, split_statements};
use refit_devdb::TestDb;
use refit_lint::{Config, Input, RULES, fix, is_fixable, split_files};

use crate::support::{major, set, value};

const FIXTURE: &str = include_str!("../../crates/refit-lint/src/rules/fixture.sql");
const ROWS: &str = include_str!("../../crates/refit-lint/src/rules/fixture_rows.sql");

/// Files of a set: names and texts.
type Files = Vec<(String, String)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixes_have_the_effect_of_the_original_statement() {
    let mut wrong = Vec::new();
    let major = major(&TestDb::empty().await.unwrap()).await;
    let mut proven = 0;
    for (name, sql) in cases(major) {
        let before = split_files(&sql);
        let after = fixed(&before, major);
        assert_ne!(before, after, "{name} is not fixed");
        match prove(&before, &after).await {
            Ok(()) => proven += 1,
            Err(complaint) => wrong.push(format!("{name}: {complaint}\n{after:#?}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(proven > 30, "{proven}");
}

fn cases(major: u32) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    for rule in RULES.iter().filter(|rule| is_fixable(rule.name)) {
        let examples = rule.examples().into_iter().filter(|example| !example.safe);
        cases.extend(examples.map(|example| (rule.name.to_owned(), example.sql)));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/refit-lint/tests/fixes");
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let needs = if name.ends_with("_18.sql") { 18 } else { 14 };
        if name.ends_with(".sql") && name != "left_alone.sql" && major >= needs {
            cases.push((name, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    cases.sort();
    cases
}

fn fixed(files: &Files, major: u32) -> Files {
    let mut inputs = vec![Input::of_folder("V0__fixture.sql", FIXTURE, false)];
    inputs.extend(files.iter().map(|(path, text)| Input::of_folder(path.as_str(), text.as_str(), true)));
    let config = Config { postgres: Some(major), ..Config::default() };
    let fixed = fix(&inputs, &config, &BTreeSet::from(["V0__fixture.sql".to_owned()]));
    let file = |input: &Input| (input.path.clone(), input.text());
    fixed.inputs.iter().skip(1).map(file).collect()
}

/// Runs both, and returns how they differ. If the original fails, the fixed statements only have to succeed.
async fn prove(before: &Files, after: &Files) -> Result<(), String> {
    let (old, new) = (database().await, database().await);
    let failed = by_hand(&old, before).await.err();
    let walks = |(path, text): &(String, String)| front_matter(path, text).0.backfill.is_some();
    if after.iter().any(walks) {
        valid(after);
        by_hand(&new, after).await.map_err(|error| format!("the sequence fails: {error}"))?;
    } else {
        let files: Vec<(&str, &str)> = after.iter().map(|(path, text)| (&**path, &**text)).collect();
        let migrator = Migrator::new(set(&files)).run(new.url()).await;
        migrator.map_err(|error| format!("the sequence fails: {error}"))?;
    }
    if failed.is_some() {
        return Ok(());
    }
    // DETACH CONCURRENTLY leaves a CHECK constraint with the partition's bounds.
    crate::support::execute(&new, "ALTER TABLE events_2025 DROP CONSTRAINT IF EXISTS events_2025_at_check")
        .await;
    // The constraint of a domain is left NOT VALID: validating it reads every table under a lock, which is left to people.
    crate::support::execute(&new, VALIDATE_DOMAINS).await;
    let (one, other) = (described(&old).await, described(&new).await);
    for (what, text) in &one {
        let found = other.get(what).map_or("", |text| text.as_str());
        if found != text {
            return Err(format!("{what} differs:\n--- hazard\n{text}\n--- fixed\n{found}"));
        }
    }
    Ok(())
}

const VALIDATE_DOMAINS: &str = "DO $$ DECLARE c record; BEGIN
    FOR c IN SELECT contypid::regtype AS domain, conname FROM pg_constraint WHERE contypid <> 0 AND NOT convalidated LOOP
        EXECUTE format('ALTER DOMAIN %s VALIDATE CONSTRAINT %I', c.domain, c.conname);
    END LOOP; END $$";

/// Asserts that the files are a valid folder.
fn valid(files: &Files) {
    let source = |(path, text): &(String, String)| SourceFile::new(path.clone(), text.clone().into_bytes());
    let set = MigrationSet::from_files("migrations", files.iter().map(source).collect());
    assert!(set.is_ok(), "{}", set.unwrap_err());
}

async fn database() -> TestDb {
    // A tenth of the rows is enough to distinguish two states, and for two batches.
    let rows = ROWS.replace("200000", "20000");
    let fill = async |url: &str| {
        let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
        client.batch_execute(FIXTURE).await.unwrap();
        client.batch_execute(&rows).await.unwrap();
        client.close().await;
        Ok::<(), refit_devdb::Error>(())
    };
    TestDb::filled(&format!("{FIXTURE}{rows}"), fill).await.unwrap()
}

/// Runs files as psql would: each in a transaction unless its directive says otherwise, a backfill in two batches.
async fn by_hand(db: &TestDb, files: &Files) -> Result<(), String> {
    let client = db.connect().await.unwrap();
    for (path, text) in files {
        let runs = FileKind::is_migration(path);
        let (directives, ..) = front_matter(path, text);
        let texts: Vec<String> = match &directives.backfill {
            _ if !runs => Vec::new(),
            Some(backfill) => {
                assert_eq!(backfill.key, ["id"]);
                let table = &backfill.table;
                let middle = format!("SELECT min(id) + (max(id) - min(id)) / 2, max(id) FROM {table}");
                let row = client.query_one(&middle, &[]).await.unwrap();
                // Without rows there are no batches; an empty one runs nevertheless.
                let (middle, last) =
                    (row.get::<_, Option<i64>>(0).unwrap_or(0), row.get::<_, Option<i64>>(1).unwrap_or(0));
                let batch = |lower: i64, upper: i64| {
                    text.replace("$1", &lower.to_string()).replace("$2", &upper.to_string())
                };
                vec![batch(-1, middle), batch(middle, last)]
            }
            None if directives.transaction => vec![format!("BEGIN;{text}\n;COMMIT")],
            None => split_statements(text).iter().map(|statement| statement.text.to_owned()).collect(),
        };
        for text in texts {
            client.batch_execute(&text).await.map_err(|error| {
                error.as_db_error().map_or(error.to_string(), |error| format!("{path}: {}", error.message()))
            })?;
        }
    }
    client.close().await;
    Ok(())
}

/// The schema, and the rows of every table.
async fn described(db: &TestDb) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (what, sql) in SCHEMA {
        all.insert((*what).to_owned(), value::<String>(db, sql).await);
    }
    if let Some(tool) = db.server().binaries().tool("pg_dump") {
        let arguments = ["--schema-only", "-N", "refit", "-T", "refinery_schema_history", "-d", db.url()];
        let output = Command::new(tool).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let dump = String::from_utf8_lossy(&output.stdout).into_owned();
        // pg_dump writes a random word against injected psql commands.
        let kept: Vec<&str> = dump.lines().filter(|line| !line.contains("restrict ")).collect();
        all.insert("dump".to_owned(), kept.join("\n"));
    }
    let tables: String = value(db, TABLES).await;
    for table in tables.split('\n') {
        let random = format!(
            "SELECT coalesce(md5(string_agg(row, ',' ORDER BY row)), '') FROM \
             (SELECT (to_jsonb(t) - 'token')::text || coalesce((to_jsonb(t) ->> 'token' <> ''), false) AS row FROM {table} t) rows"
        );
        all.insert(format!("rows of {table}"), value::<String>(db, &random).await);
    }
    all
}

const TABLES: &str = "SELECT string_agg(oid::regclass::text, E'\\n' ORDER BY oid::regclass::text) FROM pg_class
    WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace AND relname <> 'refinery_schema_history'";

/// The schema by queries that work on every version, if there is no pg_dump for the server.
const SCHEMA: &[(&str, &str)] = &[
    (
        "columns",
        "SELECT string_agg(concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull,
            attidentity, pg_get_expr(adbin, adrelid)), E'\\n' ORDER BY attrelid::regclass::text, attname)
         FROM pg_attribute JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attnum > 0 AND NOT attisdropped AND relnamespace = 'public'::regnamespace
           AND relname !~ '^refinery_schema_history'",
    ),
    (
        "constraints",
        "SELECT string_agg(concat_ws(' ', conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(oid), convalidated),
            E'\\n' ORDER BY conrelid::regclass::text, conname)
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conname !~ '^refinery_schema_history'",
    ),
    (
        "indexes",
        "SELECT string_agg(concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid), E'\\n' ORDER BY indexrelid::regclass::text)
         FROM pg_index JOIN pg_class c ON c.oid = indexrelid
         WHERE relnamespace = 'public'::regnamespace AND relname !~ '^refinery_schema_history'",
    ),
    (
        "sequences",
        "SELECT string_agg(concat_ws(' ', seqrelid::regclass, seqtypid::regtype, last_value), E'\\n' ORDER BY seqrelid::regclass::text)
         FROM pg_sequence JOIN pg_sequences s ON format('%I.%I', s.schemaname, s.sequencename)::regclass = seqrelid
         WHERE s.schemaname = 'public'",
    ),
];
