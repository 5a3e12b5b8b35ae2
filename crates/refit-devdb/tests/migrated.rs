//! The two lines that a user's tests need, with sets that are applied to a real server.

// Test helpers may panic.
#![allow(clippy::unwrap_used)]

use std::{fs, time::Instant};

use refit_devdb::{Error, TestDb};
use refit_model::MigrationSet;

fn set(files: &[(&str, &str)]) -> MigrationSet {
    let folder = tempfile::tempdir().unwrap();
    for (name, sql) in files {
        fs::write(folder.path().join(name), sql).unwrap();
    }
    MigrationSet::from_dir(folder.path()).unwrap()
}

const ARTICLES: [(&str, &str); 2] = [
    ("V0001__create_articles.sql", "CREATE TABLE articles (id int PRIMARY KEY, title text);\n"),
    (
        "V0002__fill_articles.sql",
        "-- refit: environments = [\"development\", \"test\"]\nINSERT INTO articles VALUES (1, 'first');\n",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_test_gets_a_migrated_database_of_its_own() {
    let test = async |number: i32| {
        let begun = Instant::now();
        let db = TestDb::new(set(&ARTICLES)).await.unwrap();
        println!("{} after {:?}", db.name(), begun.elapsed());
        let client = db.connect().await.unwrap();
        client.execute("INSERT INTO articles VALUES (2, 'mine')", &[]).await.unwrap();
        client.execute("UPDATE articles SET id = id + $1", &[&number]).await.unwrap();
        let sum: i64 = client.query_one("SELECT sum(id) FROM articles", &[]).await.unwrap().get(0);
        assert_eq!(sum, 3 + 2 * i64::from(number));
        let applied: i64 =
            client.query_one("SELECT count(*) FROM refinery_schema_history", &[]).await.unwrap().get(0);
        assert_eq!(applied, 2);
    };
    tokio::join!(test(10), test(20), test(30), test(40));
    test(50).await;
}

#[tokio::test]
async fn a_set_that_fails_says_why() {
    let error = TestDb::new(set(&[("V0001__wrong.sql", "SELECT no_such_column;\n")])).await.unwrap_err();
    assert!(matches!(&error, Error::Migrate(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("V0001__wrong") && text.contains("no_such_column"), "{text}");
}
