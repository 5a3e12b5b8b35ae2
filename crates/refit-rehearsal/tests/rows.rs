//! Generated rows on real tables: filled tables satisfy all constraints, the others are reported with a reason.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

use refit_devdb::TestDb;
use refit_rehearsal::rows::{Filled, Tables, fill};

async fn filled(schema: &str, rows: u32) -> (TestDb, Vec<Filled>) {
    let db = TestDb::empty().await.unwrap();
    db.connect().await.unwrap().batch_execute(schema).await.unwrap();
    let filled = fill(db.url(), rows, &mut Tables::default()).await.unwrap();
    (db, filled)
}

fn short(filled: &[Filled]) -> Vec<String> {
    let text = |one: &Filled| {
        format!(
            "{} {}{}",
            one.table,
            one.rows,
            one.reason.as_ref().map_or(String::new(), |why| format!(": {why}"))
        )
    };
    filled.iter().map(text).collect()
}

const SHOP: &str = "
CREATE TYPE mood AS ENUM ('good', 'so-so', 'bad');
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN percent AS integer NOT NULL CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE place AS (street text, number integer);
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant integer NOT NULL DEFAULT 1, mail email NOT NULL UNIQUE,
    mood mood NOT NULL, discount percent, home place, tags text[] NOT NULL, referrer bigint REFERENCES customers,
    born date CHECK (born < '2010-01-01'), country char(2) NOT NULL CHECK (country ~ '^[A-Z]{2}$'), UNIQUE (tenant, id)
);
CREATE TABLE orders (
    id uuid PRIMARY KEY, tenant integer NOT NULL, customer_id bigint NOT NULL, state text NOT NULL DEFAULT 'new'
        CHECK (state IN ('new', 'paid', 'sent')), amount numeric(6, 2) NOT NULL CHECK (amount >= 0), opened timestamptz NOT NULL,
    closed timestamptz, gross numeric GENERATED ALWAYS AS (amount * 1.19) STORED, period int4range, code varchar(4) UNIQUE,
    rate numeric(3, 3) NOT NULL, small smallint NOT NULL, CHECK (closed > opened), CHECK (amount < 100 OR state <> 'new'),
    FOREIGN KEY (tenant, customer_id) REFERENCES customers (tenant, id)
);
CREATE TABLE lines (order_id uuid REFERENCES orders, position integer, note json, PRIMARY KEY (order_id, position));
CREATE TABLE events (id bigserial, at timestamptz NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE TABLE regions (code text, name text) PARTITION BY LIST (code);
CREATE TABLE regions_eu PARTITION OF regions FOR VALUES IN ('de', 'fr');
CREATE TABLE spread (id bigint NOT NULL, note text) PARTITION BY HASH (id);
CREATE TABLE spread_0 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE spread_1 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE everything (
    a boolean NOT NULL, b bytea NOT NULL, c inet NOT NULL, d cidr NOT NULL, e macaddr NOT NULL, f point NOT NULL, g polygon NOT NULL,
    h interval NOT NULL, i time NOT NULL, j timetz NOT NULL, k money NOT NULL, l bit(5) NOT NULL, m varbit NOT NULL, n xml NOT NULL,
    o tsvector NOT NULL, p pg_lsn NOT NULL, q tstzrange NOT NULL, r int4multirange NOT NULL, s mood[] NOT NULL, t real NOT NULL,
    u \"char\" NOT NULL, v name NOT NULL, w jsonb NOT NULL, x circle NOT NULL, y line NOT NULL, z tsquery NOT NULL, \"Ä b\" oid NOT NULL
);
CREATE TABLE nothing ();
";

#[tokio::test]
async fn tables_of_all_kinds_are_filled() {
    let (db, filled) = filled(SHOP, 100).await;
    let expected = [
        "customers 100",
        "events_2024 50",
        "events_rest 50",
        "everything 100",
        "nothing 100",
        "orders 100",
        "lines 100",
        "regions_eu 100",
        "spread 100",
    ];
    let mut short = short(&filled);
    short.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(short, expected);
    let client = db.connect().await.unwrap();
    let sql = "SELECT count(DISTINCT state), count(DISTINCT customer_id) FROM orders";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert!(row.get::<_, i64>(0) > 1 && row.get::<_, i64>(1) == 100);
    // The rows are the same in another database, and a second call fills only the new table.
    let digest = "SELECT md5(string_agg(o::text, ',' ORDER BY o.id)) FROM orders o";
    let first: String = client.query_one(digest, &[]).await.unwrap().get(0);
    let other = TestDb::empty().await.unwrap();
    let client = other.connect().await.unwrap();
    client.batch_execute(SHOP).await.unwrap();
    let mut tables = Tables::default();
    fill(other.url(), 100, &mut tables).await.unwrap();
    assert_eq!(first, client.query_one(digest, &[]).await.unwrap().get::<_, String>(0));
    client.batch_execute("CREATE TABLE later (id int)").await.unwrap();
    assert_eq!(short_of(fill(other.url(), 5, &mut tables).await.unwrap()), ["later 5"]);
}

fn short_of(filled: Vec<Filled>) -> Vec<String> {
    short(&filled)
}

#[tokio::test]
async fn a_table_that_cannot_be_filled_is_reported_with_its_reason() {
    let schema = "
CREATE TABLE chicken (id bigint PRIMARY KEY, egg bigint NOT NULL);
CREATE TABLE egg (id bigint PRIMARY KEY, chicken bigint NOT NULL REFERENCES chicken);
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg;
CREATE TABLE impossible (a integer NOT NULL CHECK (a > 5 AND a < 5));
CREATE TABLE two (id boolean PRIMARY KEY);
CREATE TABLE parted (a int) PARTITION BY RANGE (a);
CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE TABLE guarded (a int);
CREATE TRIGGER no BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION no();
CREATE TABLE strange (a pg_snapshot NOT NULL);
CREATE TABLE loops (id bigint PRIMARY KEY, above bigint NOT NULL REFERENCES loops);
";
    let (_db, filled) = filled(schema, 10).await;
    let mut short = short(&filled);
    short.sort();
    let expected = [
        "chicken 0: it must reference egg, which has no rows yet and depends on it in turn",
        "egg 0: it must reference chicken, which has no rows",
        "guarded 0: P0001 not today",
        "impossible 0: found no value for a that satisfies ((a > 5) AND (a < 5))",
        "loops 0: it must reference itself and has no rows yet",
        "parted 0: it is partitioned and has no partition",
        "strange 0: cannot generate values of type pg_snapshot for a",
        "two 2: its unique keys allow no more generated values",
    ];
    assert_eq!(short, expected);
}
