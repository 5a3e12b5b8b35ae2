//! The table that is filled, versions of a CMS's content without their site, and databases that are copies of it.

use anyhow::Context;
use refit_devdb::{Server, ServerOptions};

/// The private server of the benchmark and its databases.
pub(crate) struct Lab {
    server: Server,
    /// Rows of the table.
    pub(crate) rows: u64,
}

/// The value of the column: the site of the post, of the page, or the default site.
const VALUE: &str = "coalesce( \
    CASE cv.content_type WHEN 'post' THEN (SELECT p.site_id FROM posts p WHERE p.id = cv.content_id) \
                         WHEN 'page' THEN (SELECT g.site_id FROM pages g WHERE g.id = cv.content_id) END, \
    (SELECT s.id FROM sites s WHERE s.is_default))";

/// One UPDATE of all rows.
pub(crate) fn update() -> String {
    format!("UPDATE content_versions cv SET site_id = {VALUE} WHERE cv.site_id IS NULL")
}

/// The same for a batch, with a stripe if there is one.
pub(crate) fn batch(striped: bool) -> String {
    let stripe = if striped { " AND cv.id % $3 = $4" } else { "" };
    format!(
        "UPDATE content_versions cv SET site_id = {VALUE} \
         WHERE cv.id > $1 AND cv.id <= $2{stripe} AND cv.site_id IS NULL"
    )
}

/// The hand-written loop: batches of keys, with the checkpoint in the same transaction.
pub(crate) fn procedure() -> String {
    format!(
        "CREATE TABLE checkpoint (cursor bigint NOT NULL, rows bigint NOT NULL); INSERT INTO checkpoint VALUES (0, 0); \
         CREATE PROCEDURE fill(size int) LANGUAGE plpgsql AS $body$ \
         DECLARE lower bigint := 0; upper bigint; done bigint; \
         BEGIN LOOP \
             SELECT id INTO upper FROM content_versions WHERE id > lower ORDER BY id LIMIT 1 OFFSET size - 1; \
             IF upper IS NULL THEN SELECT max(id) INTO upper FROM content_versions; END IF; \
             EXIT WHEN upper <= lower; \
             UPDATE content_versions cv SET site_id = {VALUE} WHERE cv.id > lower AND cv.id <= upper AND cv.site_id IS NULL; \
             GET DIAGNOSTICS done = ROW_COUNT; \
             UPDATE checkpoint SET cursor = upper, rows = rows + done; \
             COMMIT; \
             lower := upper; \
         END LOOP; END $body$"
    )
}

fn filling(rows: u64) -> String {
    format!(
        "CREATE TABLE sites (id bigint PRIMARY KEY, domain text NOT NULL, is_default boolean NOT NULL); \
         INSERT INTO sites SELECT g, 'site-' || g || '.example', g = 1 FROM generate_series(1, 20) g; \
         CREATE TABLE posts (id bigint PRIMARY KEY, site_id bigint NOT NULL, title text); \
         INSERT INTO posts SELECT g, 1 + g % 20, 'post ' || g FROM generate_series(1, 100000) g; \
         CREATE TABLE pages (id bigint PRIMARY KEY, site_id bigint NOT NULL, title text); \
         INSERT INTO pages SELECT g, 1 + g % 20, 'page ' || g FROM generate_series(1, 20000) g; \
         CREATE TABLE content_versions (id bigint PRIMARY KEY, content_id bigint NOT NULL, content_type text NOT NULL, \
             version_number int NOT NULL, title text, created_at timestamptz NOT NULL DEFAULT now(), site_id bigint); \
         INSERT INTO content_versions SELECT g, CASE WHEN g % 5 = 0 THEN 1 + g % 20000 ELSE 1 + g % 100000 END, \
             CASE g % 5 WHEN 0 THEN 'page' WHEN 1 THEN 'media' ELSE 'post' END, 1 + g / 120000, \
             'a title of common length ' || g, '2026-01-01'::timestamptz + g * interval '1 s' \
         FROM generate_series(1, {rows}) g; \
         CREATE INDEX content_versions_content ON content_versions (content_type, content_id); \
         CREATE INDEX content_versions_created ON content_versions (created_at);"
    )
}

impl Lab {
    /// Starts the server and fills the table.
    pub(crate) async fn open(rows: u64) -> anyhow::Result<Lab> {
        let options = ServerOptions { durable: true, ..ServerOptions::from_env() }
            .setting("shared_buffers", "2GB")
            .setting("max_wal_size", "8GB")
            .setting("checkpoint_timeout", "30min");
        let server = tokio::task::spawn_blocking(|| Server::start(options)).await??;
        let lab = Lab { server, rows };
        lab.admin("CREATE DATABASE base").await?;
        let client = refit::connect(&lab.url("base"), &refit::ConnectOptions::default()).await?;
        client.batch_execute(&filling(rows)).await.context("filling the table")?;
        client.batch_execute("VACUUM (ANALYZE, FREEZE)").await?;
        client.close().await;
        Ok(lab)
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// The server and the data of the measurement.
    pub(crate) fn describe(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!(
            "PostgreSQL {}, fsync on, shared_buffers 2 GB, {cores} cores, {} rows; each contender on a copy of its own",
            self.server.binaries().version(),
            self.rows
        )
    }

    async fn admin(&self, sql: &str) -> anyhow::Result<()> {
        let client = refit::connect(&self.url("postgres"), &refit::ConnectOptions::default()).await?;
        client.batch_execute(sql).await.with_context(|| sql.to_owned())?;
        client.close().await;
        Ok(())
    }

    /// A fresh copy of the filled database, after a checkpoint.
    pub(crate) async fn copy(&self) -> anyhow::Result<String> {
        self.admin("DROP DATABASE IF EXISTS run WITH (FORCE)").await?;
        let major =
            self.server.binaries().version().split('.').next().and_then(|text| text.parse::<u32>().ok());
        let how = if major.is_some_and(|major| major >= 15) { " STRATEGY FILE_COPY" } else { "" };
        self.admin(&format!("CREATE DATABASE run TEMPLATE base{how}")).await?;
        self.admin("CHECKPOINT").await?;
        let url = self.url("run");
        // Reads the table, so that its pages are cached and have hint bits, as in a database that has existed for a while.
        let client = refit::connect(&url, &refit::ConnectOptions::default()).await?;
        client.batch_execute("SELECT count(*) FROM content_versions").await?;
        client.close().await;
        Ok(url)
    }
}
