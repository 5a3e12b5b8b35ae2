//! `backup`: kinds, doctor, verification, list and removal.

use refit_devdb::{ServerOptions, TestDb};
use serde_json::Value;

use crate::support::backups::{migrated, script};
use crate::support::{Workspace, execute, value};

/// Names with everything that SQL, patterns of pg_dump and shells treat specially.
const ODD: &str = "\"Odd. *schema\".\"or,ders \"\"x\"\" %?|[a] \\ ' é\"";

const TABLES: &str = "CREATE SCHEMA \"Odd. *schema\";\n\
    CREATE TABLE \"Odd. *schema\".\"or,ders \"\"x\"\" %?|[a] \\ ' é\" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
        \"a column\" text, twice bigint GENERATED ALWAYS AS (id * 2) STORED);\n\
    CREATE TABLE items (id serial PRIMARY KEY, order_id bigint REFERENCES \"Odd. *schema\".\"or,ders \"\"x\"\" %?|[a] \\ ' é\" \
        ON DELETE CASCADE, price numeric, at timestamptz, raw bytea, tags text[]);\n\
    CREATE TABLE events (at date NOT NULL, note text) PARTITION BY RANGE (at);\n\
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');\n\
    CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');\n\
    CREATE TABLE others (id int);\n";

const ROWS: &str = "INSERT INTO \"Odd. *schema\".\"or,ders \"\"x\"\" %?|[a] \\ ' é\" (\"a column\") \
        SELECT CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN E'tab\\t\\\\. line\\n' ELSE 'plain ' || n END FROM generate_series(1, 50) n; \
    INSERT INTO items (order_id, price, at, raw, tags) SELECT n, 'NaN', '2026-01-01 12:00+02', '\\x00ff', ARRAY['a,b', NULL] \
        FROM generate_series(1, 30) n; \
    INSERT INTO events VALUES ('2026-02-01', 'a'), ('2026-08-01', 'b'); INSERT INTO others VALUES (1)";

#[tokio::test]
async fn a_dump_holds_tables_with_what_belongs_to_them() {
    let Some((db, workspace)) = migrated(&[("V1__tables.sql", TABLES)]).await else { return };
    execute(&db, ROWS).await;
    let made = workspace.backup(&["create", "--tables", &format!("{ODD},events")]);
    let tables = made["dump"]["tables"].as_array().unwrap();
    let rows: Vec<(&str, i64)> = tables
        .iter()
        .map(|table| (table["name"].as_str().unwrap(), table["rows"].as_i64().unwrap()))
        .collect();
    assert_eq!(rows, [("or,ders \"x\" %?|[a] \\ ' é", 50), ("events_1", 1), ("events_2", 1), ("items", 30)]);
    let id = made["id"].as_str().unwrap();
    assert_eq!(workspace.backup_files(), [format!("{id}.dump"), format!("{id}.json")]);
    let listed = workspace.backup(&["list"]);
    let listed = &listed.as_array().unwrap()[0];
    assert_eq!(
        (listed["id"].as_str(), &listed["kind"], &listed["state"]),
        (Some(id), &"tables".into(), &"complete".into())
    );
    assert!(
        listed["bytes"].as_i64().unwrap() > 0 && listed["created_at"].as_str().unwrap().ends_with('Z'),
        "{listed}"
    );
    let recorded: bool = value(
        &db,
        &format!(
            "SELECT state = 'complete' AND sha256 = '{}' AND bytes = {} AND cardinality(tables) = 4 AND finished_at >= began_at \
             FROM refit.backup WHERE name = '{id}'",
            made["dump"]["sha256"].as_str().unwrap(),
            made["dump"]["bytes"]
        ),
    )
    .await;
    assert!(recorded);
    let text = workspace.run(&["backup", "verify", id]).expect(0).stdout;
    assert!(text.contains("same     public.items  30 rows") && text.contains("verified"), "{text}");
}

#[tokio::test]
async fn a_dump_of_everything_is_verified() {
    let Some((db, workspace)) = migrated(&[("V1__tables.sql", TABLES)]).await else { return };
    execute(&db, ROWS).await;
    execute(
        &db,
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE moods (m mood, v money, j jsonb, x float8);\
                  INSERT INTO moods VALUES ('b', 12.5, '{\"a\": 1}', 0.1 + 0.2)",
    )
    .await;
    let made = workspace.backup(&["create", "--kind", "full"]);
    let id = made["id"].as_str().unwrap();
    let verified = workspace.backup(&["verify", id]);
    assert_eq!(
        verified["tables"].as_array().unwrap().len(),
        made["dump"]["tables"].as_array().unwrap().len()
    );
    assert!(
        verified["tables"].as_array().unwrap().iter().all(|table| table["problem"].is_null()),
        "{verified}"
    );
    // The rows of another state of the database are noticed.
    let document = workspace.root().join("backups").join(format!("{id}.json"));
    let text = std::fs::read_to_string(&document).unwrap().replace("\"rows\": 30", "\"rows\": 31");
    std::fs::write(&document, text).unwrap();
    let text = workspace.run(&["backup", "verify", id]).expect(1).stdout;
    assert!(text.contains("differs  public.items  30 rows instead of 31"), "{text}");
}

#[tokio::test]
async fn restore_points_need_an_archive() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[("V1__t.sql", "CREATE TABLE t (id int);\n")]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let error = workspace.run(&["backup", "create", "--kind", "restore-point"]).expect(2).stderr;
    assert!(error.contains("archive_mode is off") && error.contains("archive_command"), "{error}");
    workspace.run(&["backup", "doctor", "--kind", "restore-point"]).expect(1);
    assert_eq!(workspace.backup(&["list"]), serde_json::json!([]));

    let options =
        ServerOptions::for_tests().setting("archive_mode", "on").setting("archive_command", "/bin/true");
    let server = test_support::server(options).await;
    let workspace = workspace.at(&server.url("postgres"));
    workspace.run(&["migrate"]).expect(0);
    workspace.run(&["backup", "doctor", "--kind", "restore-point"]).expect(0);
    let made = workspace.backup(&["create", "--kind", "restore-point"]);
    let listed = workspace.backup(&["list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["kind"]), (&made["id"], &"restore-point".into()));
    let error = workspace.run(&["backup", "restore", made["id"].as_str().unwrap(), "--yes"]).expect(2).stderr;
    assert!(error.contains("recovery_target_name"), "{error}");
}

#[tokio::test]
async fn what_a_program_prints_is_the_id() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[("V1__t.sql", "CREATE TABLE t (id int);\n")]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let run = |text: &str| {
        let folder = script("program", text);
        let program = folder.path().join("program").display().to_string();
        let ran = workspace.run(&[
            "backup",
            "create",
            "--kind",
            "command",
            "--format",
            "json",
            "--",
            &program,
            "two words",
        ]);
        (folder, ran)
    };
    let (_folder, made) = run("echo \"arn:aws:x/snap-01 $1 $(echo $REFIT_CONNINFO | cut -c1-8)\"");
    let made: Value = serde_json::from_str(&made.expect(0).stdout).unwrap();
    assert_eq!(made["id"], "arn:aws:x/snap-01 two words postgres");
    for (text, expected) in [
        ("echo first; echo second", "one line"),
        ("true", "must print the ID"),
        ("echo 'password=hunter2 is wrong' >&2; exit 3", "exit status: 3"),
    ] {
        let (_folder, failed) = run(text);
        let error = failed.expect(2).stderr;
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
    }
    let states: String = value(
        &db,
        "SELECT string_agg(state || coalesce(':' || name, ''), ',' ORDER BY id) FROM refit.backup",
    )
    .await;
    assert_eq!(states, "complete:arn:aws:x/snap-01 two words postgres,failed,failed,failed");
    assert_eq!(workspace.backup(&["list"]).as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn without_a_suitable_pg_dump_nothing_runs() {
    let db = TestDb::empty().await.unwrap();
    let files = [("V1__t.sql", "CREATE TABLE t (id int);\n"), ("V2__more.sql", "ALTER TABLE t ADD n int;\n")];
    let workspace = Workspace::new(&files[..1]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    workspace.write(files[1].0, files[1].1);
    let empty = tempfile::tempdir().unwrap();
    let old = script("pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24'");
    for (folder, expected) in
        [(&empty, "no pg_dump of version"), (&old, "9.6.24): it is older than the server")]
    {
        let folder = folder.path().to_str().unwrap();
        let error = workspace.run(&["migrate", "--backup", "tables", "--pg-bin", folder]).expect(2).stderr;
        assert!(error.contains(expected) && error.contains("install it with"), "{error}");
        let text = workspace.run(&["backup", "doctor", "--pg-bin", folder]).expect(1).stdout;
        assert!(text.contains("a backup would be refused"), "{text}");
    }
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refinery_schema_history").await, 1);
    assert!(
        value::<bool>(&db, "SELECT to_regclass('refit.backup') IS NULL").await,
        "a refused backup is on record"
    );
}

#[tokio::test]
async fn old_backups_are_removed() {
    let Some((db, workspace)) = migrated(&[("V1__t.sql", "CREATE TABLE t (id int);\n")]).await else {
        return;
    };
    let ids: Vec<String> = (0..3)
        .map(|_| workspace.backup(&["create", "--tables", "t"])["id"].as_str().unwrap().to_owned())
        .collect();
    let error = workspace.run(&["backup", "prune", "--keep", "1"]).expect(2).stderr;
    assert!(error.contains("--yes"), "{error}");
    workspace.run(&["backup", "prune", "--older-than", "1d", "--yes"]).expect(0);
    assert_eq!(workspace.backup_files().len(), 6);
    let removed = workspace.backup(&["prune", "--keep", "1", "--yes"]);
    assert_eq!(removed["removed"].as_array().unwrap().len(), 2);
    assert_eq!(workspace.backup_files().len(), 2);
    let kept: i64 = value(&db, "SELECT count(*) FROM refit.backup WHERE state = 'complete'").await;
    assert_eq!((kept, ids.len()), (1, 3));
    for arguments in [
        &["backup", "prune"][..],
        &["backup", "prune", "--keep", "0"],
        &["backup", "prune", "--older-than", "1mo"],
    ] {
        workspace.run(arguments).expect(2);
    }
}

#[tokio::test]
async fn a_role_needs_to_read_the_tables() {
    let Some((db, workspace)) =
        migrated(&[("V1__t.sql", "CREATE TABLE t (id int); CREATE TABLE hidden (id int);\n")]).await
    else {
        return;
    };
    let role = format!("reader_{}", db.name());
    execute(
        &db,
        &format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA refit TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA refit TO {role}; \
             GRANT SELECT ON refinery_schema_history TO {role}"
        ),
    )
    .await;
    let own = db.url().replace("postgres@", &format!("{role}@"));
    let as_role =
        Workspace::new(&[("V1__t.sql", "CREATE TABLE t (id int); CREATE TABLE hidden (id int);\n")]).at(&own);
    let error = as_role.run(&["backup", "create", "--tables", "t"]).expect(2).stderr;
    assert!(error.contains(&format!("GRANT SELECT ON public.t TO {role}")), "{error}");
    let text = as_role.run(&["backup", "doctor", "--tables", "t"]).expect(1).stdout;
    assert!(text.contains("may not read public.t"), "{text}");
    execute(&db, &format!("GRANT SELECT ON t TO {role}")).await;
    let error = as_role.run(&["backup", "create", "--tables", "t"]).expect(2).stderr;
    assert!(
        error.contains("cannot be recorded")
            && error.contains(&format!("GRANT SELECT, INSERT, UPDATE ON refit.backup TO {role}")),
        "{error}"
    );
    workspace.backup(&["create", "--tables", "t"]);
    execute(&db, &format!("GRANT SELECT, INSERT, UPDATE ON refit.backup TO {role}")).await;
    // What the role may not read is left out, as it holds none of the rows.
    let made = as_role.backup(&["create", "--tables", "t"]);
    as_role.run(&["backup", "verify", made["id"].as_str().unwrap()]).expect(0);
    execute(&db, "ALTER TABLE t ENABLE ROW LEVEL SECURITY").await;
    let error = as_role.run(&["backup", "create", "--tables", "t"]).expect(2).stderr;
    assert!(error.contains("row security hides rows of public.t"), "{error}");
    execute(&db, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
