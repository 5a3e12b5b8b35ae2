//! The sample's data migrations, with rows: what they do, and that they may run twice.

use refit_devdb::{MigrationTest, migration_test};
use refit_model::MigrationSet;

/// Two sites, of which the second is the default, a post, a page, and versions of both and of content that is gone.
const ROWS: &str = "\
    INSERT INTO sites (domain, name, is_default) VALUES ('a.example', 'A', false), ('b.example', 'B', true); \
    INSERT INTO posts (site_id, slug, title, body) VALUES (1, 'p', 'P', ''); \
    INSERT INTO pages (site_id, path, title, body) VALUES (2, '/g', 'G', ''); \
    ALTER TABLE content_versions DISABLE TRIGGER content_versions_site; \
    INSERT INTO content_versions (content_id, content_type, version_number, body) VALUES \
        (1, 'post', 1, ''), (1, 'post', 2, ''), (1, 'page', 1, ''), (77, 'post', 1, ''), (77, 'page', 1, ''); \
    ALTER TABLE content_versions ENABLE TRIGGER content_versions_site;";

migration_test! {
    versions_get_the_site_of_their_content: "../migrations", 14 => 15,
    before ROWS,
    after {
        "SELECT content_type, content_id, version_number, site_id FROM content_versions ORDER BY id" => [
            "post, 1, 1, 1", "post, 1, 2, 1", "page, 1, 1, 2", "post, 77, 1, 2", "page, 77, 1, 2",
        ],
        "SELECT count(*) FROM content_versions WHERE site_id IS NULL" => ["0"],
    }
}

#[tokio::test]
async fn every_data_migration_may_run_twice() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let set = MigrationSet::from_dir(&folder).unwrap();
    let backfills = set.migrations().iter().filter(|migration| migration.directives.backfill.is_some());
    let versions: Vec<i64> = backfills.map(|migration| migration.version).collect();
    assert!(!versions.is_empty());
    for version in versions {
        let test = MigrationTest::at(set.clone(), version - 1).await.unwrap();
        test.execute(ROWS).await.unwrap();
        let all = "SELECT v FROM content_versions AS v ORDER BY id";
        let before = test.rows(all).await.unwrap();
        test.migrate_to(version).await.unwrap();
        let once = test.rows(all).await.unwrap();
        assert!(once != before, "V{version} changes rows");
        test.repeat(version).await.unwrap();
        assert_eq!(test.rows(all).await.unwrap(), once, "V{version} twice");
    }
}
