//! What the rows must be, in queries that are written in another way than those of the migrations.

use refit::Connection;

use super::{NEWEST, OLD};
use crate::Fact;

/// The version of the database.
pub(super) const VERSION: &str = "SELECT max(version) FROM refinery_schema_history";

/// What the migration does not touch.
const UNTOUCHED: &str = "ROW(id, content_id, content_type, version_number, body, created_at)::text";

/// All columns of the old release.
const OF_THE_OLD_RELEASE: &str =
    "ROW(id, content_id, content_type, version_number, locale, body, created_at)::text";

/// Versions with the site and locale that they must have.
const EXPECTED: &str = "\
    WITH content AS (
        SELECT 'post' AS content_type, id, lower(domain) AS domain, locale FROM posts
        UNION ALL SELECT 'page', id, lower(domain), locale FROM pages
    ), named AS (
        SELECT content_type, id, locale,
               split_part(CASE WHEN starts_with(domain, 'www.') THEN substr(domain, 5) ELSE domain END, ':', 1) AS domain
        FROM   content
    )
    SELECT v.id, v.site_id, v.locale, s.id AS expected_site, coalesce(n.locale, s.locale) AS expected_locale
    FROM   content_versions v
    LEFT   JOIN named n ON (n.content_type, n.id) = (v.content_type, v.content_id)
    LEFT   JOIN sites o ON o.domain = n.domain
    JOIN   sites s ON s.id = coalesce(o.id, (SELECT id FROM sites WHERE is_default))";

/// The rows before the change.
#[derive(Debug, Clone)]
pub(super) struct Before {
    pub(super) rows: i64,
    last: i64,
    untouched: String,
    all: String,
    /// Bytes of the table and its indexes.
    pub(super) total: i64,
}

impl Before {
    pub(super) async fn read(client: &Connection) -> anyhow::Result<Before> {
        let row = client.query_one("SELECT count(*), max(id) FROM content_versions", &[]).await?;
        let (rows, last) = (row.get(0), row.get(1));
        Ok(Before {
            rows,
            last,
            untouched: digest(client, UNTOUCHED, last).await?,
            all: digest(client, OF_THE_OLD_RELEASE, last).await?,
            total: size(client).await?,
        })
    }
}

/// Bytes of the table and its indexes.
pub(super) async fn size(client: &Connection) -> anyhow::Result<i64> {
    count(client, "SELECT pg_total_relation_size('content_versions')").await
}

/// Whether two digests agree says whether two sets of rows do; the order of the rows does not matter.
async fn digest(client: &Connection, row: &str, last: i64) -> anyhow::Result<String> {
    let sql = format!(
        "SELECT count(*) || ' rows, ' || coalesce(sum(hashtextextended({row}, 7)::numeric), 0) \
         FROM content_versions WHERE id <= $1"
    );
    Ok(client.query_one(&sql, &[&last]).await?.get(0))
}

async fn count(client: &Connection, sql: &str) -> anyhow::Result<i64> {
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// What must be true when all migrations are applied.
pub(super) async fn migrated(client: &Connection, before: &Before) -> anyhow::Result<Vec<Fact>> {
    let wrong = format!(
        "SELECT count(*) FROM ({EXPECTED}) e \
         WHERE (site_id, locale) IS DISTINCT FROM (expected_site, expected_locale)"
    );
    let gaps = "SELECT count(*) FROM (\
                    SELECT version_number, row_number() OVER (\
                        PARTITION BY site_id, content_type, content_id ORDER BY version_number) AS place \
                    FROM content_versions) n WHERE version_number <> place";
    let left_over = "SELECT count(*) FROM pg_class WHERE relname LIKE 'domain\\_sites%'";
    let unfinished = "SELECT (SELECT count(*) FROM pg_constraint \
                              WHERE conrelid = 'content_versions'::regclass AND NOT convalidated) + \
                             (SELECT count(*) FROM pg_index \
                              WHERE indrelid = 'content_versions'::regclass AND NOT indisvalid)";
    let required = "SELECT count(*) FROM pg_attribute \
                    WHERE attrelid = 'content_versions'::regclass AND attname = 'site_id' AND attnotnull";
    // The query of the old release, and that of the new one, which names the site.
    let differences = "\
        WITH sample AS (SELECT id FROM posts ORDER BY hashint8extended(id, 3) LIMIT 200),
             old AS (SELECT v.content_id, v.id FROM content_versions v JOIN sample ON sample.id = v.content_id
                     WHERE v.content_type = 'post'),
             new AS (SELECT v.content_id, v.id FROM sites s
                     JOIN content_versions v ON v.site_id = s.id AND v.content_type = 'post'
                     JOIN sample ON sample.id = v.content_id)
        SELECT count(*) FROM ((TABLE old EXCEPT TABLE new) UNION ALL (TABLE new EXCEPT TABLE old)) d";
    let mut facts = vec![
        Fact::equal("version of the database", count(client, VERSION).await?, NEWEST),
        Fact::equal(
            "versions with another site or locale than their content",
            count(client, &wrong).await?,
            0,
        ),
        Fact::equal("gaps in the numbers of a site's versions", count(client, gaps).await?, 0),
        Fact::equal("answers that differ for a site", count(client, differences).await?, 0),
        Fact::equal("constraints and indexes that are not valid", count(client, unfinished).await?, 0),
        Fact::equal("site_id is NOT NULL", count(client, required).await?, 1),
        Fact::equal("temporary mapping tables", count(client, left_over).await?, 0),
    ];
    let untouched = digest(client, UNTOUCHED, before.last).await?;
    facts.push(Fact::equal(
        "every version of before, in what was not migrated",
        untouched,
        before.untouched.clone(),
    ));
    Ok(facts)
}

/// What must be true after a rollback to the old release.
pub(super) async fn rolled_back(
    client: &Connection,
    before: &Before,
    how: &str,
) -> anyhow::Result<Vec<Fact>> {
    let columns = "SELECT count(*) FROM pg_attribute \
                   WHERE attrelid = 'content_versions'::regclass AND attname = 'site_id' AND NOT attisdropped";
    Ok(vec![
        Fact::equal(format!("rolled back {how}: version"), count(client, VERSION).await?, OLD),
        Fact::equal(format!("rolled back {how}: columns named site_id"), count(client, columns).await?, 0),
        restored(client, before, how).await?,
    ])
}

/// Every row of before is as it was.
pub(super) async fn restored(client: &Connection, before: &Before, how: &str) -> anyhow::Result<Fact> {
    let all = digest(client, OF_THE_OLD_RELEASE, before.last).await?;
    Ok(Fact::equal(format!("rolled back {how}: every row of before"), all, before.all.clone()))
}
