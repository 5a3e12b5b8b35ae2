//! An ordinary role reads the same schema, with a list of what it cannot read. And owners.

use refit_catalog::{Catalog, Owners, ReadOptions};

use crate::support::{based, own, read, with};

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_role_sees_the_same_and_is_property_what_not() {
    let db = based(&own()).await;
    let superuser = read(&db).await;
    let client = db.connect().await.unwrap();
    client.batch_execute("revoke usage on schema shop from public; set role c_own").await.unwrap();
    let ordinary = Catalog::read(&client, &ReadOptions::default()).await.unwrap();
    assert_eq!(ordinary.unseen, ["options of other roles' user mappings"]);
    let mut seen = superuser.clone();
    for mapping in seen.user_mappings.values_mut() {
        mapping.properties.clear();
    }
    let mut ordinary = ordinary;
    for mapping in ordinary.user_mappings.values_mut() {
        mapping.properties.clear();
    }
    assert_eq!(ordinary.digest(), seen.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_property_where_they_are_unusual_or_asked_for() {
    let db = based(&own()).await;
    let client = db.connect().await.unwrap();
    client.batch_execute("alter table shop.base owner to c_own").await.unwrap();
    let with = async |owners| {
        let options = ReadOptions { owners, ..ReadOptions::default() };
        let catalog = Catalog::read(&client, &options).await.unwrap();
        catalog.tables.values().filter(|table| !table.owner.is_empty()).count()
    };
    assert_eq!((with(Owners::None).await, with(Owners::Unusual).await), (0, 1));
    assert_eq!(with(Owners::All).await, read(&db).await.tables.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_in_no_snapshot() {
    let sql = "create extension postgres_fdw; create server s foreign data wrapper postgres_fdw;
               create user mapping for public server s options (user 'u', password 'hunter2')";
    let (_db, catalog) = with(sql).await;
    assert!(!catalog.to_json().contains("hunter2") && !catalog.text().contains("hunter2"));
    assert!(catalog.text().contains("option password: (hidden)"), "{}", catalog.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_indexes_are_shown() {
    let (db, _) = with("create table t (a int); insert into t values (1), (1)").await;
    let client = db.connect().await.unwrap();
    client.batch_execute("create unique index concurrently once on t (a)").await.unwrap_err();
    let catalog = read(&db).await;
    assert!(catalog.tables["public.t"].indexes["once"].invalid);
    assert!(catalog.text().contains("once  unique btree (a) INVALID"), "{}", catalog.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_property_without_how_it_connects() {
    let (db, _) = with("select 1").await;
    let client = db.connect().await.unwrap();
    let sql =
        "begin; create subscription feed connection 'host=nowhere.example password=hunter2' publication p, q
               with (connect = false, slot_name = none, streaming = on, binary = true)";
    client.batch_execute(sql).await.unwrap();
    let catalog = Catalog::read_within(&*client, &ReadOptions::default()).await.unwrap();
    let properties = &catalog.subscriptions["feed"].properties;
    let property = |name: &str| properties.get(name).map(String::as_str);
    assert_eq!(
        (property("publications"), property("binary"), property("enabled")),
        (Some("p, q"), Some("true"), Some("false"))
    );
    assert_eq!(property("streaming"), Some("on"));
    assert!(!catalog.to_json().contains("nowhere.example") && !catalog.to_json().contains("hunter2"));
    // What is set on the database beside its settings.
    let template =
        "do $$ begin execute format('alter database %I is_template true', current_database()); end $$";
    client.batch_execute(template).await.unwrap();
    let catalog = Catalog::read_within(&*client, &ReadOptions::default()).await.unwrap();
    assert!(catalog.database.is_template && catalog.text().contains("is template"), "{}", catalog.text());
    client.batch_execute("rollback").await.unwrap();
}
