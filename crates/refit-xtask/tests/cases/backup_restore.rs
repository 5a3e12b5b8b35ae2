//! `backup restore`: every row comes back, or nothing changes.

use std::process::Stdio;

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::backups::{has_pg_dump, migrated};
use crate::support::{Workspace, execute, until, value};

const SHOP: &str = "CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);\n\
    CREATE TABLE orders (id serial PRIMARY KEY, customer_id bigint NOT NULL, total numeric,\n\
        CONSTRAINT of_customer FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE);\n\
    COMMENT ON CONSTRAINT of_customer ON orders IS 'it''s theirs';\n\
    CREATE TABLE log (entry text);\n\
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS\n\
        $$ BEGIN INSERT INTO log VALUES (TG_OP); RETURN NULL; END $$;\n\
    CREATE TRIGGER noted AFTER INSERT OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION note();\n\
    CREATE TRIGGER off AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note();\n\
    ALTER TABLE orders DISABLE TRIGGER off;\n\
    ALTER TABLE orders ENABLE ALWAYS TRIGGER noted;\n";

const ROWS: &str = "INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, 40) n; \
    INSERT INTO orders (customer_id, total) SELECT 1 + n % 40, n FROM generate_series(1, 200) n; TRUNCATE log";

const BREAK: &str = "DELETE FROM customers WHERE id % 2 = 0;\nUPDATE orders SET total = -1 WHERE id < 50;\n";

/// All rows of both tables, as a digest.
async fn rows(db: &TestDb) -> String {
    let sql = "SELECT md5((SELECT string_agg(c::text, ';' ORDER BY id) FROM customers c) || \
                   (SELECT string_agg(o::text, ';' ORDER BY id) FROM orders o))";
    value(db, sql).await
}

async fn constraints(db: &TestDb) -> String {
    let sql = "SELECT string_agg(conname || pg_get_constraintdef(oid) || convalidated || coalesce(obj_description(oid), ''), ';' \
                   ORDER BY conname) || (SELECT string_agg(tgname || tgenabled::text, ';' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal) \
               FROM pg_constraint WHERE conrelid = 'orders'::regclass";
    value(db, sql).await
}

/// A migrated shop whose rows were backed up by the run that then broke them; with the ID and the rows before.
async fn broken() -> Option<(TestDb, Workspace, String, String)> {
    let (db, workspace) = migrated(&[("V1__shop.sql", SHOP)]).await?;
    execute(&db, ROWS).await;
    let before = rows(&db).await;
    workspace.write("V2__break.sql", BREAK);
    workspace.run(&["migrate", "--backup", "tables"]).expect(0);
    assert_ne!(rows(&db).await, before);
    let listed = workspace.backup(&["list"]);
    assert_eq!(listed[0]["tables"], serde_json::json!(["public.customers", "public.orders"]));
    let run: i64 = value(&db, "SELECT max(id) FROM refit.run").await;
    assert_eq!(listed[0]["run"], run);
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    Some((db, workspace, id, before))
}

#[tokio::test]
async fn every_row_comes_back() {
    let Some((db, workspace, id, before)) = broken().await else { return };
    let (keys, history) = (constraints(&db).await, crate::support::history(&db).await);
    execute(
        &db,
        "TRUNCATE log; INSERT INTO customers (name) VALUES ('new'); SELECT setval('orders_id_seq', 7)",
    )
    .await;
    let plan = workspace.backup(&["restore", &id, "--dry-run"]);
    let customers = &plan["tables"][0];
    assert_eq!(
        (
            &customers["rows_in_backup"],
            &customers["rows_now"],
            &customers["written_since"],
            &customers["gone_since"]
        ),
        (&40.into(), &21.into(), &1.into(), &20.into())
    );
    let error = workspace.run(&["backup", "restore", &id]).expect(2).stderr;
    assert!(
        error.contains("1 inserted or updated since would be lost") && error.contains("--yes"),
        "{error}"
    );
    let text = workspace.run(&["backup", "restore", &id, "--yes"]).expect(0).stdout;
    assert!(text.contains("restored  public.orders  200 rows"), "{text}");
    assert_eq!(rows(&db).await, before);
    assert_eq!((constraints(&db).await, crate::support::history(&db).await), (keys, history));
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM log").await, 0, "triggers fired");
    // Sequences are moved forward and never back.
    execute(&db, "INSERT INTO customers (name) VALUES ('x'); INSERT INTO orders (customer_id) VALUES (1)")
        .await;
    let next: (i64, i32) =
        (value(&db, "SELECT max(id) FROM customers").await, value(&db, "SELECT max(id) FROM orders").await);
    assert_eq!(next, (42, 201));
    execute(&db, "DELETE FROM customers WHERE id > 40; DELETE FROM orders WHERE id > 200").await;
    let text = workspace.run(&["backup", "restore", &id, "--dry-run"]).expect(0).stdout;
    assert!(text.contains("public.orders  unchanged, 200 rows"), "{text}");
}

#[tokio::test]
async fn the_owner_of_the_database_needs_no_other_rights() {
    let db = TestDb::empty().await.unwrap();
    let role = format!("owner_of_{}", db.name());
    execute(
        &db,
        &format!(
            "CREATE ROLE {role} LOGIN; ALTER DATABASE {} OWNER TO {role}; ALTER SCHEMA public OWNER TO {role}",
            db.name()
        ),
    )
    .await;
    let own = db.url().replace("postgres@", &format!("{role}@"));
    let workspace = Workspace::new(&[("V1__shop.sql", SHOP)]).at(&own);
    if !has_pg_dump(&workspace) {
        return;
    }
    workspace.run(&["migrate"]).expect(0);
    execute(&db, ROWS).await;
    let before = rows(&db).await;
    workspace.write("V2__break.sql", BREAK);
    workspace.run(&["migrate", "--backup", "full"]).expect(0);
    let id = workspace.backup(&["list"])[0]["id"].as_str().unwrap().to_owned();
    let history = crate::support::history(&db).await;
    execute(&db, "SELECT setval('orders_id_seq', 7)").await;
    workspace.run(&["backup", "restore", &id, "--yes"]).expect(0);
    assert_eq!(rows(&db).await, before);
    assert_eq!(value::<i64>(&db, "SELECT last_value FROM orders_id_seq").await, 200);
    // The history says what the schema is, and is not restored.
    assert_eq!(crate::support::history(&db).await, history);
    let owner: String = value(&db, "SELECT tableowner::text FROM pg_tables WHERE tablename = 'backup'").await;
    assert_eq!(owner, role);
}

#[tokio::test]
async fn a_single_table_is_restored_if_its_keys_match() {
    let Some((db, workspace, id, _)) = broken().await else { return };
    let now = rows(&db).await;
    let error = workspace.run(&["backup", "restore", &id, "--tables", "orders", "--yes"]).expect(2).stderr;
    assert!(error.contains("of_customer") && error.contains("nothing was changed"), "{error}");
    assert_eq!(rows(&db).await, now);
    workspace.run(&["backup", "restore", &id, "--tables", "public.customers", "--yes"]).expect(0);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM customers").await, 40);
    workspace.run(&["backup", "restore", &id, "--tables", "orders", "--yes"]).expect(0);
    let error = workspace.run(&["backup", "restore", &id, "--tables", "log"]).expect(2).stderr;
    assert!(error.contains("holds no rows of log; it holds public.customers, public.orders"), "{error}");
}

#[tokio::test]
async fn damaged_files_and_other_databases_are_refused() {
    let Some((db, workspace, id, _)) = broken().await else { return };
    let now = rows(&db).await;
    let other = TestDb::empty().await.unwrap();
    let error =
        workspace.run(&["backup", "restore", &id, "--yes", "--database-url", other.url()]).expect(2).stderr;
    assert!(error.contains("is a backup of the database") && error.contains("--other-database"), "{error}");
    let path = workspace.root().join("backups").join(format!("{id}.dump"));
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (bytes, expected) in [(&whole[..whole.len() - 1], "bytes instead of"), (&flipped, "the SHA-256 of")] {
        std::fs::write(&path, bytes).unwrap();
        for arguments in [&["backup", "restore", &id, "--yes"][..], &["backup", "verify", &id]] {
            let error = workspace.run(arguments).expect(2).stderr;
            assert!(error.contains("is damaged") && error.contains(expected), "{error}");
        }
    }
    std::fs::remove_file(&path).unwrap();
    let error = workspace.run(&["backup", "restore", &id, "--yes"]).expect(2).stderr;
    assert!(error.contains("is missing"), "{error}");
    let error = workspace.run(&["backup", "restore", "20200101T000000Z-000000", "--yes"]).expect(2).stderr;
    assert!(error.contains("no backup 20200101T000000Z-000000"), "{error}");
    assert_eq!(rows(&db).await, now);
}

#[tokio::test]
async fn an_empty_database_gets_schema_and_rows() {
    let Some((db, workspace, id, before)) = broken().await else { return };
    let other = TestDb::empty().await.unwrap();
    let text = workspace.run(&["backup", "restore", &id, "--into", other.url(), "--yes"]).expect(0).stdout;
    assert!(text.contains("restored 2 tables"), "{text}");
    assert_eq!(rows(&other).await, before);
    assert_ne!(rows(&db).await, before);
    // The definitions of all tables are there, the rows of others are not.
    assert_eq!(value::<i64>(&other, "SELECT count(*) FROM refinery_schema_history").await, 0);
    execute(&other, "DELETE FROM orders").await;
    workspace.run(&["backup", "restore", &id, "--into", other.url(), "--yes"]).expect(0);
    assert_eq!(rows(&other).await, before);
}

#[tokio::test]
async fn changed_columns_are_refused_unless_asked_for() {
    let Some((db, workspace, id, _)) = broken().await else { return };
    execute(&db, "ALTER TABLE orders DROP COLUMN total, ADD COLUMN state text DEFAULT 'open'; ALTER TABLE customers ADD note text").await;
    let error = workspace.run(&["backup", "restore", &id, "--yes"]).expect(2).stderr;
    for line in
        ["public.orders: column total is gone", "public.orders: column state is new", "--matching-columns"]
    {
        assert!(error.contains(line), "{error}");
    }
    workspace.run(&["backup", "restore", &id, "--matching-columns", "--yes"]).expect(0);
    let orders: String =
        value(&db, "SELECT count(*) || ' ' || min(state) || ' ' || sum(customer_id) FROM orders").await;
    assert_eq!(orders, "200 open 4100");
    execute(&db, "DROP TABLE orders").await;
    let error = workspace.run(&["backup", "restore", &id, "--yes"]).expect(2).stderr;
    assert!(error.contains("do not exist here: public.orders") && error.contains("--into"), "{error}");
    workspace
        .run(&["backup", "restore", &id, "--matching-columns", "--tables", "customers", "--yes"])
        .expect(0);
}

#[tokio::test]
async fn a_restore_that_is_killed_changes_nothing() {
    let Some((db, workspace, id, before)) = broken().await else { return };
    let now = rows(&db).await;
    // The last statement before the commit moves a sequence, and waits for this session.
    execute(&db, "SELECT setval('orders_id_seq', 7)").await;
    let blocker = db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; ALTER SEQUENCE orders_id_seq CACHE 1").await.unwrap();
    let mut command = workspace.command();
    command.args(["backup", "restore", &id, "--yes"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%setval%' \
                   AND datname = current_database())";
    until("the restore waits at its end", async || value::<bool>(&db, waiting).await).await;
    process.kill().unwrap();
    process.wait().unwrap();
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let sessions =
        "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND mode = 'AccessExclusiveLock'";
    until("its session has ended", async || value::<i64>(&db, sessions).await == 0).await;
    assert_eq!(rows(&db).await, now);
    assert!(constraints(&db).await.contains("of_customer"));
    workspace.run(&["backup", "restore", &id, "--yes"]).expect(0);
    assert_eq!(rows(&db).await, before);
}

#[tokio::test]
async fn partitions_and_odd_names_are_restored() {
    let tables = "CREATE SCHEMA \"a b\";\nCREATE TABLE \"a b\".\"o'd\\d \"\"t\"\"\" (\"c,1\" text, \"select\" int GENERATED ALWAYS AS (1) STORED);\n\
                  CREATE TABLE parent (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);\n\
                  CREATE TABLE p1 PARTITION OF parent FOR VALUES IN (1);\nCREATE TABLE p2 PARTITION OF parent FOR VALUES IN (2);\n\
                  CREATE TABLE child (id int, part int, FOREIGN KEY (id, part) REFERENCES parent);\n";
    let Some((db, workspace)) = migrated(&[("V1__t.sql", tables)]).await else { return };
    execute(
        &db,
        "INSERT INTO \"a b\".\"o'd\\d \"\"t\"\"\" VALUES (E'\\\\.'), (E'a\\tb\\nc'), (NULL), (''); \
         INSERT INTO parent SELECT n, 1 + n % 2 FROM generate_series(1, 10) n; INSERT INTO child SELECT * FROM parent",
    )
    .await;
    let all = "SELECT (SELECT string_agg(t::text, ';' ORDER BY t) FROM \"a b\".\"o'd\\d \"\"t\"\"\" t) || \
                   (SELECT string_agg(p::text, ';' ORDER BY p) FROM parent p)";
    let before: String = value(&db, all).await;
    let made: Value = workspace.backup(&["create", "--tables", "\"a b\".\"o'd\\d \"\"t\"\"\",parent"]);
    execute(&db, "DELETE FROM child; DELETE FROM parent WHERE part = 2; UPDATE \"a b\".\"o'd\\d \"\"t\"\"\" SET \"c,1\" = 'x'").await;
    workspace.run(&["backup", "restore", made["id"].as_str().unwrap(), "--yes"]).expect(0);
    assert_eq!(value::<String>(&db, all).await, before);
    let keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'child'::regclass AND confrelid = 'parent'::regclass";
    assert_eq!(value::<i64>(&db, keys).await, 1);
}
