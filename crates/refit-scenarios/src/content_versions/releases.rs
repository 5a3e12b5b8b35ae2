//! The requests of the two releases: three of four read the versions of a post, the others save one.

use rand::RngExt;
use refit::Connection;
use tokio_postgres::{Error, Statement};

use crate::{Release, Requests};

/// How many posts are in use.
const POSTS: i64 = 500;

/// Knows neither sites nor locales of versions.
#[derive(Debug, Clone, Copy)]
pub(super) struct OldRelease;

/// Reads the versions of a site, and writes the site and the locale. Versions that have no site yet are read too.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRelease;

/// The connection of a release.
pub(super) struct Client {
    connection: Connection,
    posts: Vec<Post>,
    release: Prepared,
    lock: Statement,
}

/// A post with the site to which its domain belongs.
struct Post {
    id: i64,
    site: i64,
    locale: String,
}

enum Prepared {
    Old { read: Statement, save: Statement },
    New { read: Statement, save: Statement },
}

async fn client(
    connection: Connection,
    prepare: impl AsyncFnOnce(&Connection) -> Result<Prepared, Error>,
) -> Result<Client, Error> {
    let sql = "SELECT p.id, s.id, coalesce(p.locale, s.locale) FROM posts p \
               LEFT JOIN sites o ON o.domain = split_part(replace(lower(p.domain), 'www.', ''), ':', 1) \
               JOIN sites s ON s.id = coalesce(o.id, (SELECT id FROM sites WHERE is_default)) \
               ORDER BY p.id DESC LIMIT $1";
    let rows = connection.query(sql, &[&POSTS]).await?;
    let posts = rows.iter().map(|row| Post { id: row.get(0), site: row.get(1), locale: row.get(2) });
    let posts = posts.collect();
    let lock = connection.prepare("SELECT FROM posts WHERE id = $1 FOR UPDATE").await?;
    let release = prepare(&connection).await?;
    Ok(Client { connection, posts, release, lock })
}

impl Release for OldRelease {
    type Client = Client;

    async fn prepare(&self, connection: Connection) -> Result<Client, Error> {
        client(connection, async |connection| {
            let read = "SELECT id, version_number, body, created_at FROM content_versions \
                        WHERE content_type = 'post' AND content_id = $1 ORDER BY version_number DESC LIMIT 20";
            let save = "INSERT INTO content_versions (content_type, content_id, version_number, body) \
                        SELECT 'post', $1, coalesce(max(version_number), 0) + 1, 'saved by the old release' \
                        FROM content_versions WHERE content_type = 'post' AND content_id = $1";
            Ok(Prepared::Old { read: connection.prepare(read).await?, save: connection.prepare(save).await? })
        })
        .await
    }
}

impl Release for NewRelease {
    type Client = Client;

    async fn prepare(&self, connection: Connection) -> Result<Client, Error> {
        client(connection, async |connection| {
            let read = "SELECT id, version_number, locale, body, created_at FROM content_versions \
                        WHERE content_type = 'post' AND content_id = $1 AND coalesce(site_id, $2) = $2 \
                        ORDER BY version_number DESC LIMIT 20";
            let save = "INSERT INTO content_versions (content_type, content_id, version_number, site_id, locale, body) \
                        SELECT 'post', $1, coalesce(max(version_number), 0) + 1, $2, $3, 'saved by the new release' \
                        FROM content_versions WHERE content_type = 'post' AND content_id = $1";
            Ok(Prepared::New { read: connection.prepare(read).await?, save: connection.prepare(save).await? })
        })
        .await
    }
}

impl Requests for Client {
    async fn send(&mut self, number: u64) -> Result<(), Error> {
        let Some(at) = self.posts.len().checked_sub(1) else { return Ok(()) };
        let post = &self.posts[rand::rng().random_range(0..=at)];
        if !number.is_multiple_of(4) {
            let rows = match &self.release {
                Prepared::Old { read, .. } => self.connection.query(read, &[&post.id]).await,
                Prepared::New { read, .. } => self.connection.query(read, &[&post.id, &post.site]).await,
            };
            return rows.map(drop);
        }
        self.connection.batch_execute("BEGIN").await?;
        let saved = save(&self.connection, &self.lock, &self.release, post).await;
        self.connection.batch_execute(if saved.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
        saved
    }
}

/// Saves a version. Its post is locked first: two clients that save at the same time would give two versions the same number.
async fn save(
    connection: &Connection,
    lock: &Statement,
    release: &Prepared,
    post: &Post,
) -> Result<(), Error> {
    connection.query(lock, &[&post.id]).await?;
    match release {
        Prepared::Old { save, .. } => connection.execute(save, &[&post.id]).await?,
        Prepared::New { save, .. } => connection.execute(save, &[&post.id, &post.site, &post.locale]).await?,
    };
    Ok(())
}
