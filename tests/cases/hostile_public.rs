//! A schema `public` in which every role may create, full of functions and operators that match calls better than the server's own:
//! Refit's own SQL never calls any of them.

use std::collections::BTreeSet;
use std::time::Duration;

use refit::backfill::{JobStatus, Request, Subject, preview, request};
use refit::{Backfills, ConnectOptions, LOCK_KEY, Migrator, Rollback};
use refit_catalog::{Catalog, ReadOptions};
use refit_devdb::{Server, ServerOptions};

use crate::support::{execute_at, migrator, server, value_at};

/// Argument types of decoys. If the server has a function with the same types, the default search path selects the server's.
const SIGNATURES: [&str; 22] = [
    "",
    "text",
    "name",
    "oid",
    "regclass",
    "bigint",
    "integer",
    "boolean",
    "anyelement",
    "text[]",
    "name[]",
    "text, text",
    "name, text",
    "text, name",
    "bigint, integer",
    "regclass, text",
    "oid, text",
    "text, boolean",
    "text, text, boolean",
    "text, name, name",
    "text, text, name",
    "text, text, text, text",
];

const OPERANDS: [&str; 22] = [
    "name, text",
    "text, name",
    "oid, bigint",
    "bigint, oid",
    "oid, integer",
    "integer, bigint",
    "bigint, integer",
    "regclass, oid",
    "oid, regclass",
    "regclass, regclass",
    "text[], text[]",
    "name[], name[]",
    "\"char\", text",
    "varchar, text",
    "varchar, varchar",
    "smallint, integer",
    "integer, smallint",
    "smallint, bigint",
    "timestamptz, date",
    "double precision, bigint",
    "text, integer",
    "boolean, text",
];

const OPERATORS: [&str; 17] =
    ["=", "<>", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "||", "~", "<<", "|", "->>", "!~"];

/// Every word of Refit's sources that is followed by a parenthesis and names a function of the server.
fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut open = vec![crate::support::scratch::workspace().join("crates/refit/src")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for (at, _) in text.match_indices('(') {
                let word = text[..at]
                    .rsplit(|c: char| !c.is_ascii_lowercase() && c != '_' && !c.is_ascii_digit())
                    .next();
                words.extend(word.filter(|word| !word.is_empty()).map(str::to_owned));
            }
        }
    }
    words
}

/// Fills `public` as a role that has no privilege other than to create there.
async fn fill(url: &str, exact: bool) {
    let names: Vec<String> = words().into_iter().map(|word| format!("'{word}'")).collect();
    let signatures: Vec<String> = SIGNATURES.iter().map(|arguments| format!("'{arguments}'")).collect();
    let own = match exact {
        true => {
            "UNION SELECT proname, pg_get_function_identity_arguments(oid) FROM pg_proc \
                 WHERE prokind = 'f' AND proname = ANY (words)"
        }
        false => "",
    };
    let functions = format!(
        "DO $fill$ DECLARE words name[] := ARRAY[{}]::name[]; f record; BEGIN \
         FOR f IN SELECT DISTINCT proname, s AS arguments FROM pg_proc, unnest(ARRAY[{}]) s \
                  WHERE prokind IN ('f', 'a') AND proname = ANY (words) {own} LOOP BEGIN \
             EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS text LANGUAGE plpgsql AS $f$ BEGIN \
                 RAISE EXCEPTION ''decoy function %s(%s)''; END $f$', f.proname, f.arguments, f.proname, f.arguments); \
         EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $fill$",
        names.join(","),
        signatures.join(",")
    );
    let mut operands: Vec<String> = OPERANDS.iter().map(|pair| format!("'{pair}'")).collect();
    if exact {
        let same = [
            "text, text",
            "bigint, bigint",
            "integer, integer",
            "oid, oid",
            "name, name",
            "boolean, boolean",
        ];
        operands.extend(same.map(|pair| format!("'{pair}'")));
    }
    let operators: Vec<String> = OPERATORS.iter().map(|operator| format!("'{operator}'")).collect();
    let operators = format!(
        "DO $fill$ DECLARE o record; f text; BEGIN \
         FOR o IN SELECT op, split_part(s, ', ', 1) AS l, split_part(s, ', ', 2) AS r, row_number() OVER () AS n \
                  FROM unnest(ARRAY[{}]) op, unnest(ARRAY[{}]) s LOOP BEGIN \
             f := 'decoy_operator_' || o.n; \
             EXECUTE format('CREATE FUNCTION public.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN \
                 RAISE EXCEPTION ''decoy operator %s (%s, %s)''; END $f$', f, o.l, o.r, replace(o.op, '%', '%%'), o.l, o.r); \
             EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.%I, LEFTARG = %s, RIGHTARG = %s)', o.op, f, o.l, o.r); \
         EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $fill$",
        operators.join(","),
        operands.join(",")
    );
    // Operators first: otherwise this script would call the functions that it has created.
    execute_at(url, &operators).await;
    execute_at(url, &functions).await;
    execute_at(url, "CREATE DOMAIN public.int8 AS text; CREATE DOMAIN public.regclass AS text; CREATE TABLE public.pg_class ()").await;
}

async fn hostile(exact: bool) -> (Server, String) {
    let server = server(ServerOptions::for_tests()).await;
    let url = server.url("postgres");
    execute_at(&url, "CREATE ROLE intruder LOGIN; GRANT CREATE ON SCHEMA public TO PUBLIC").await;
    fill(&url.replace("postgres@", "intruder@"), exact).await;
    let decoys: i64 =
        value_at(&url, "SELECT pg_catalog.count(*) FROM pg_catalog.pg_proc WHERE prosrc LIKE '%decoy %'")
            .await;
    assert!(decoys > 500, "{decoys}");
    (server, url)
}

const STEPS: [(&str, &str); 6] = [
    ("V1__song.sql", "CREATE TABLE song (id int PRIMARY KEY, n int, day date);"),
    ("V1__song.down.sql", "DROP TABLE song CASCADE;"),
    (
        "V2__ix.sql",
        "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY song_day ON song (day);\nREINDEX INDEX CONCURRENTLY song_day;\n\
         COMMENT ON TABLE song IS 'songs';",
    ),
    ("V2__ix.down.sql", "-- refit: transaction = false\nDROP INDEX CONCURRENTLY song_day;"),
    ("R__songs.sql", "CREATE OR REPLACE VIEW songs AS SELECT id FROM song;"),
    ("R__songs.md", "A view."),
];

const FILL: (&str, &str) = (
    "V3__fill.sql",
    "-- refit: backfill = { table = \"song\", key = [\"id\"], undo = [\"n\"], remaining = \"n IS NULL\" }\n\
     UPDATE song SET n = id WHERE id > $1 AND id <= $2 AND n IS NULL;",
);

#[tokio::test(flavor = "multi_thread")]
async fn no_decoy_is_called() {
    let (_server, url) = hostile(false).await;
    let files: Vec<_> = STEPS.into_iter().chain([FILL]).collect();
    let all = migrator(&files).backfills(Backfills::Inline);
    all.clone().to(1).run(&url).await.unwrap();
    execute_at(&url, "INSERT INTO song SELECT pg_catalog.generate_series(1, 3000)").await;
    everything_read(&all, &url).await;
    all.clone().backfills(Backfills::Hold).run(&url).await.unwrap();
    let client = refit::connect(&url, &ConnectOptions::default()).await.unwrap();
    let state = all.state(&client).await.unwrap();
    let looked = preview(&client, &state, Subject::Registered(3), 2).await.unwrap();
    assert_eq!((looked.refused.as_deref(), looked.failures.len()), (None, 0), "{looked}");
    request(&client, &state, 3, Request::Pause).await.unwrap();
    request(&client, &state, 3, Request::Resume).await.unwrap();
    all.run(&url).await.unwrap();
    everything_read(&all, &url).await;
    assert_eq!(value_at::<i64>(&url, "SELECT pg_catalog.count(n) FROM song").await, 3_000);
    let report = all.rollback(&url, &Rollback { to: 0, ..Default::default() }).await.unwrap();
    assert_eq!((report.steps.len(), report.backfills[0].rows_changed), (3, 3_000));
}

/// Here decoys of all types come first. Only steps run: the text of a backfill would call the decoys.
#[tokio::test(flavor = "multi_thread")]
async fn no_decoy_is_called_where_public_comes_before_the_catalog() {
    let (_server, url) = hostile(true).await;
    execute_at(&url, "ALTER ROLE postgres SET search_path = public, pg_catalog").await;
    let steps = [STEPS[0], STEPS[1], STEPS[2], STEPS[3], ALONE, ALONE_DOWN, STEPS[4], STEPS[5]];
    let all = migrator(&steps);
    for _ in 0..2 {
        all.run(&url).await.unwrap();
        everything_read(&all, &url).await;
    }
    blocked_by_another_session(&all, &url).await;
    let report = all.rollback(&url, &Rollback { to: 0, ..Default::default() }).await.unwrap();
    assert_eq!(report.steps.len(), 3);
}

/// Each kind of statement that is handled separately.
const ALONE: (&str, &str) = (
    "V3__alone.sql",
    "-- refit: transaction = false\n\
     CREATE TABLE part (id int) PARTITION BY RANGE (id);\nCREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (2);\n\
     ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY;\n\
     CREATE PROCEDURE twice() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL twice();\n\
     CREATE INDEX CONCURRENTLY IF NOT EXISTS song_day ON song (day);\nREINDEX TABLE CONCURRENTLY song;\n\
     CREATE INDEX CONCURRENTLY song_n ON song (n);\nDROP INDEX CONCURRENTLY song_n;\nVACUUM song;",
);
const ALONE_DOWN: (&str, &str) = ("V3__alone.down.sql", "DROP TABLE part, part_1; DROP PROCEDURE twice;");

/// Another session holds the migration lock, and then a table: Refit queries the server for the holder.
async fn blocked_by_another_session(all: &Migrator, url: &str) {
    let (client, other) = (
        refit::connect(url, &ConnectOptions::default()).await.unwrap(),
        refit::connect(url, &ConnectOptions::default()).await.unwrap(),
    );
    let next = [
        STEPS[0],
        STEPS[1],
        STEPS[2],
        STEPS[3],
        ALONE,
        ALONE_DOWN,
        ("V4__n.sql", "ALTER TABLE song ADD m int;"),
    ];
    let next = migrator(&next)
        .wait_for_lock(Duration::from_millis(10))
        .lock_timeout(Duration::from_millis(50))
        .lock_attempts(1);
    other.batch_execute(&format!("SELECT pg_catalog.pg_advisory_lock({LOCK_KEY})")).await.unwrap();
    let refused = next.apply(&client).await.unwrap_err();
    assert!(matches!(refused, refit::Error::LockTimeout { .. }), "{refused}");
    assert!(all.status(&client).await.unwrap().holder.is_some());
    other.batch_execute("SELECT pg_catalog.pg_advisory_unlock_all(); BEGIN; LOCK TABLE song").await.unwrap();
    let failed = next.apply(&client).await.unwrap_err();
    let refit::Error::Statement(failed) = failed else { panic!("{failed}") };
    assert_eq!((failed.sqlstate.as_deref(), failed.blockers.len()), (Some("55P03"), 1), "{failed}");
}

async fn everything_read(migrator: &Migrator, url: &str) {
    let client = refit::connect(url, &ConnectOptions::default()).await.unwrap();
    migrator.plan(&client).await.unwrap();
    migrator.status(&client).await.unwrap();
    let state = migrator.state(&client).await.unwrap();
    JobStatus::all(&client, &state).await.unwrap();
    Catalog::read(&client, &ReadOptions::default()).await.unwrap();
    migrator.plan_rollback(&client, &Rollback { to: 0, ..Default::default() }).await.unwrap();
}
