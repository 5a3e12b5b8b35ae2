//! The model against versions of PostgreSQL, and deltas between real states.

use refit_catalog::{Catalog, Delta, Verb};

use crate::support::{based, own, read, run, version, with};

/// The base of this package reads the same on PostgreSQL 14 to 18, but for what the crate's page says.
#[tokio::test(flavor = "multi_thread")]
async fn versions_agree() {
    let db = based(&own()).await;
    let version = version(&db).await;
    let catalog = read(&db).await;
    assert_eq!(catalog.unknown, Vec::<String>::new());
    // Servers write views and rules in words of their own.
    let mut portable = catalog.clone();
    for view in portable.views.values_mut().chain(portable.materialized_views.values_mut()) {
        view.definition.clear();
        view.rules.clear();
    }
    insta::with_settings!({ description => "PostgreSQL 14 to 18", omit_expression => true }, {
        insta::assert_snapshot!("portable", portable.text());
    });
    eprintln!("PostgreSQL {version}: {}", portable.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_comes_back_as_it_went() {
    let db = based(&own()).await;
    let catalog = read(&db).await;
    let back = Catalog::from_json(&catalog.to_json()).unwrap();
    assert_eq!(back, catalog);
    assert!(Delta::between(&catalog, &back).is_empty());
    // Every field of the text comes from the model alone.
    assert_eq!(back.text(), catalog.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_reads_like_this() {
    let (db, before) = with(
        "create schema blog; create table blog.posts (id int primary key, title varchar(20), body text, old int);
         create view blog.titles as select 1 as one;
         create function blog.f() returns int language sql as $$ select 1
         where true $$; create index posts_title on blog.posts (title)",
    )
    .await;
    run(
        &db,
        "drop view blog.titles; alter table blog.posts alter title type text, alter body set not null, drop old;
         alter table blog.posts drop id, add id bigint generated always as identity primary key;
         alter table blog.posts add constraint short check (length(title) < 100) not valid;
         create table blog.tags (id int primary key, name text unique); comment on table blog.posts is 'all';
         create or replace function blog.f() returns int language sql as $$ select 2
         where true $$; create trigger t before insert on blog.posts execute function suppress_redundant_updates_trigger();
         grant select on blog.posts to public; alter table blog.posts set (fillfactor = 70)",
    )
    .await
    .unwrap();
    let delta = Delta::between(&before, &read(&db).await);
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("delta", delta.text()) });
    assert!(delta.changes.iter().any(|change| change.verb == Verb::Moved && change.name == "id"));
    let json: Delta = serde_json::from_str(&delta.to_json()).unwrap();
    assert_eq!(json, delta);
    assert_eq!(Delta::between(&before, &before).text(), "");
}
