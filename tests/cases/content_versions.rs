//! The scenario `content-versions`: a CMS becomes multi-site. Asserts on rows, on a small store.

use std::path::Path;

use refit_devdb::MigrationTest;
use refit_model::MigrationSet;

/// A default site and another one; content of known, unknown and missing domains; versions of them and of content that is gone.
const ROWS: &str = "\
    INSERT INTO sites (domain, locale, is_default) VALUES ('a.example', 'en', true), ('b.example', 'de', false); \
    INSERT INTO posts (domain, locale, title) VALUES \
        ('WWW.b.example:8080', NULL, ''), ('b.example', 'fr', ''), ('gone.example', NULL, ''), (NULL, NULL, ''); \
    INSERT INTO pages (domain, locale, title) VALUES ('b.example', NULL, ''); \
    INSERT INTO content_versions (content_id, content_type, version_number, locale, body) VALUES \
        (1, 'post', 1, 'DE_de', 'x'), (1, 'post', 2, NULL, 'x'), (2, 'post', 1, NULL, 'x'), (3, 'post', 1, NULL, 'x'), \
        (4, 'post', 1, NULL, 'x'), (1, 'page', 1, NULL, 'x'), (99, 'post', 1, 'EN', 'x'), (7, 'media', 1, NULL, 'x');";

const ALL: &str =
    "SELECT content_type, content_id, version_number, site_id, locale FROM content_versions ORDER BY id";

fn set() -> MigrationSet {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/content_versions/migrations");
    MigrationSet::from_dir(&folder).unwrap()
}

async fn store() -> MigrationTest {
    MigrationTest::at(set(), 1).await.unwrap()
}

#[tokio::test]
async fn every_version_gets_the_site_and_locale_of_its_content() {
    let test = store().await;
    test.execute(ROWS).await.unwrap();
    let before = test.rows("SELECT v FROM content_versions v ORDER BY id").await.unwrap();
    test.migrate_to(4).await.unwrap();
    // What the old release inserts while the backfill is pending.
    let insert = "INSERT INTO content_versions (content_id, content_type, version_number, body) VALUES (2, 'post', 2, 'x')";
    test.execute(insert).await.unwrap();
    test.migrate_to(12).await.unwrap();
    let expected = [
        "post, 1, 1, 2, de",
        "post, 1, 2, 2, de",
        "post, 2, 1, 2, fr",
        "post, 3, 1, 1, en",
        "post, 4, 1, 1, en",
        "page, 1, 1, 2, de",
        "post, 99, 1, 1, en",
        "media, 7, 1, 1, en",
        "post, 2, 2, 2, fr",
    ];
    assert_eq!(test.rows(ALL).await.unwrap(), expected);
    assert_eq!(test.rows("SELECT pg_catalog.to_regclass('domain_sites')").await.unwrap(), ["NULL"]);

    let rollback = refit::Rollback { to: 1, ..Default::default() };
    let migrator = refit::Migrator::new(set()).environment("test");
    Box::pin(migrator.rollback(test.db().url(), &rollback)).await.unwrap();
    test.execute("DELETE FROM content_versions WHERE (content_id, version_number) = (2, 2)").await.unwrap();
    assert_eq!(test.rows("SELECT v FROM content_versions v ORDER BY id").await.unwrap(), before);
    test.migrate_to(12).await.unwrap();
    assert_eq!(test.rows(ALL).await.unwrap(), expected[..8]);
}

#[tokio::test]
async fn it_does_not_begin_without_exactly_one_default_site() {
    for default_sites in ["false", "true"] {
        let test = store().await;
        test.execute(ROWS).await.unwrap();
        test.execute(&format!("UPDATE sites SET is_default = {default_sites}")).await.unwrap();
        let error = test.migrate_to(12).await.unwrap_err();
        let text = format!("{:?}", error);
        assert!(text.contains("one_default_site"), "{text}");
        let columns = "SELECT count(*) FROM pg_catalog.pg_attribute \
                       WHERE attrelid = 'content_versions'::regclass AND attname = 'site_id'";
        assert_eq!(test.rows(columns).await.unwrap(), ["0"]);
    }
}
