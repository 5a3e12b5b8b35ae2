//! Reading while others change the schema: what is read is a state that there was, or a clear error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use refit_catalog::{Catalog, Error, ReadOptions};

use crate::support::{based, own, with};

const PAIR: &str = "create table a (x int, n int default 1, check (x > 0)); create view v as select x from a; \
                    create index i on a ((x + 1)) where x > 2;";

#[tokio::test(flavor = "multi_thread")]
async fn renames_are_seen_whole_or_not_at_all() {
    let (db, _) = with(PAIR).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = db.connect().await.unwrap();
    let stopped = stop.clone();
    let work = tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            for sql in [
                "begin; alter table a rename x to y; alter table a rename to b; create table gone (id serial); commit",
                "begin; drop table gone; alter table b rename to a; alter table a rename y to x; commit",
            ] {
                writer.batch_execute(sql).await.unwrap();
                // Long enough for some reads to come through, short enough to hit others.
                tokio::time::sleep(std::time::Duration::from_millis(90)).await;
            }
        }
    });
    let client = db.connect().await.unwrap();
    let options = ReadOptions { attempts: 5, ..ReadOptions::default() };
    let (mut whole, mut refused) = (0, 0);
    for _ in 0..40 {
        match Catalog::read(&client, &options).await {
            Ok(catalog) => {
                whole += 1;
                let text = catalog.text();
                let (old, new) = (text.contains("table public.a"), text.contains("table public.b"));
                assert!(old != new, "{text}");
                let mixed = if old {
                    ["y > 0", "(y + 1)", "public.b", "FROM b"]
                } else {
                    ["x > 0", "(x + 1)", "public.a", "FROM a"]
                };
                // A view keeps the names of its own columns.
                assert!(!mixed.iter().any(|wrong| text.contains(wrong)), "{text}");
            }
            Err(Error::Changing { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    work.await.unwrap();
    assert!(whole > 0, "none of 40 reads succeeded, {refused} were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_tables_of_others_do_not_disturb() {
    let (db, before) = with(PAIR).await;
    let writer = db.connect().await.unwrap();
    let work = tokio::spawn(async move {
        for _ in 0..300 {
            writer
                .batch_execute(
                    "create temporary table t (id serial primary key, x text default 'x'); drop table t",
                )
                .await
                .unwrap();
        }
    });
    let client = db.connect().await.unwrap();
    let options = ReadOptions { attempts: 1, ..ReadOptions::default() };
    while !work.is_finished() {
        assert_eq!(Catalog::read(&client, &options).await.unwrap().digest(), before.digest());
    }
    work.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_session_is_changed_and_a_dropped_read_leaves_no_transaction() {
    let (db, before) = with(PAIR).await;
    let client = db.connect().await.unwrap();
    client
        .batch_execute("set search_path = public; set timezone = 'Asia/Tokyo'; set datestyle = 'German'")
        .await
        .unwrap();
    let settings = "select string_agg(name || '=' || setting, ',' order by name) from pg_settings
                    where name not in ('transaction_isolation', 'transaction_read_only')";
    let settings_before = client.query_one(settings, &[]).await.unwrap().get::<_, String>(0);
    assert_eq!(Catalog::read(&client, &ReadOptions::default()).await.unwrap().digest(), before.digest());
    // Given up at some point or other: between round trips as well as within one.
    for micros in [1, 200, 1_000, 3_000, 10_000] {
        let options = ReadOptions::default();
        let read = Catalog::read(&client, &options);
        let _given_up = tokio::time::timeout(std::time::Duration::from_micros(micros), read).await;
        client
            .batch_execute("create table if not exists public.probe (id int); drop table public.probe")
            .await
            .unwrap();
        let open = client.query_one("select pg_current_xact_id_if_assigned() is null", &[]).await.unwrap();
        assert!(open.get::<_, bool>(0));
    }
    assert_eq!(client.query_one(settings, &[]).await.unwrap().get::<_, String>(0), settings_before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_ones_own_is_read_within() {
    let (db, before) = with(PAIR).await;
    let client = db.connect().await.unwrap();
    let path = async || client.query_one("show search_path", &[]).await.unwrap().get::<_, String>(0);
    client
        .batch_execute("begin; set local search_path = public; alter table a add column z int")
        .await
        .unwrap();
    let inside = Catalog::read_within(&*client, &ReadOptions::default()).await.unwrap();
    assert!(inside.tables["public.a"].columns.iter().any(|column| column.name == "z"));
    assert_eq!(path().await, "public");
    client.batch_execute("rollback").await.unwrap();
    let after = Catalog::read(&client, &ReadOptions::default()).await.unwrap();
    assert_eq!(after.digest(), before.digest());
}

/// Two sessions read what one does; where they do not see the same transactions, the first reads alone.
#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_read_one_schema() {
    let db = based(&own()).await;
    let (first, second) = (db.connect().await.unwrap(), db.connect().await.unwrap());
    let options = ReadOptions { attempts: 1, ..ReadOptions::default() };
    let alone = Catalog::read(&first, &options).await.unwrap();
    let both = Catalog::read_by_two([&first, &second], &options).await.unwrap();
    assert_eq!((both.text(), both.digest()), (alone.text(), alone.digest()));
    // One that has a transaction open, in which it sees less than the other does.
    second.batch_execute("begin isolation level repeatable read; select 1").await.unwrap();
    first.batch_execute("create table public.later (id int)").await.unwrap();
    let later = Catalog::read_by_two([&first, &second], &options).await.unwrap();
    assert!(later.tables.contains_key("public.later"));
    second.batch_execute("rollback").await.unwrap();
    // One that is gone, and one that is closed for what it is asked.
    second.batch_execute("begin; select 1 / 0").await.unwrap_err();
    assert_eq!(Catalog::read_by_two([&first, &second], &options).await.unwrap().digest(), later.digest());
    let gone = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    first.batch_execute(gone).await.unwrap();
    assert_eq!(Catalog::read_by_two([&first, &second], &options).await.unwrap().digest(), later.digest());
    let error = Catalog::read_by_two([&second, &first], &options).await.unwrap_err().to_string();
    assert!(error.contains("session settings"), "{error}");
    // The first is as it was.
    first.batch_execute("create table public.last (id int)").await.unwrap();
}
