//! Loads generated content into a database with the old schema, using COPY.

use std::fmt;
use std::io::Cursor;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::SinkExt;
use refit_model::wording::grouped;
use tokio_postgres::Client;

use super::generate::{Content, Counts, PAGE_COLUMNS, POST_COLUMNS, SITE_COLUMNS, Spec, VERSION_COLUMNS};
use super::story::Story;

/// Size of a chunk: large enough to keep the server busy, small enough to show progress.
const CHUNK_BYTES: usize = 512 * 1024;

/// The loaded content.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Loaded {
    pub(crate) sites: usize,
    pub(crate) posts: usize,
    pub(crate) pages: usize,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) seconds: f64,
}

/// Generates and loads content concurrently, then updates sequences and statistics.
pub(crate) async fn load(url: &str, spec: Spec, story: &Story) -> anyhow::Result<Loaded> {
    let start = Instant::now();
    let client = refit::connect(url, &refit::ConnectOptions::default()).await?;
    let content = Content::new(spec);
    let (sites, posts, pages) = content.sizes();
    let (last_post, last_page) = content.last_ids();
    copy_whole(&client, SITE_COLUMNS, content.sites()).await?;
    copy_whole(&client, POST_COLUMNS, content.posts()).await?;
    copy_whole(&client, PAGE_COLUMNS, content.pages()).await?;
    let counts = copy_versions(&client, content, story).await?;
    client
        .batch_execute(&format!(
            "SELECT setval(pg_get_serial_sequence('sites', 'id'), {sites}),
                    setval(pg_get_serial_sequence('posts', 'id'), {last_post}, {last_post} > 0),
                    setval(pg_get_serial_sequence('pages', 'id'), greatest({last_page}, 1), {last_page} > 0);
             ANALYZE"
        ))
        .await
        .context("cannot update sequences and statistics")?;
    Ok(Loaded { sites, posts, pages, counts, seconds: seconds(start.elapsed()) })
}

async fn copy_whole(client: &Client, columns: &str, rows: Vec<u8>) -> anyhow::Result<()> {
    let sink = client.copy_in(&format!("COPY {columns} FROM STDIN")).await?;
    let mut sink = pin!(sink);
    sink.send(Cursor::new(rows)).await?;
    sink.finish().await.with_context(|| format!("cannot load {columns}"))?;
    Ok(())
}

/// The generator runs on its own thread; the channel blocks it when the server is slower.
async fn copy_versions(client: &Client, content: Content, story: &Story) -> anyhow::Result<Counts> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    let bar = story.bar(content.spec().versions, "versions");
    let generator = tokio::task::spawn_blocking(move || {
        let mut versions = content.versions(CHUNK_BYTES);
        while let Some(chunk) = versions.next() {
            // The receiver was dropped because loading failed; that error is reported.
            if sender.blocking_send((chunk, versions.counts().versions)).is_err() {
                break;
            }
        }
        versions.counts()
    });
    let sink = client.copy_in(&format!("COPY {VERSION_COLUMNS} FROM STDIN")).await?;
    let mut sink = pin!(sink);
    while let Some((chunk, done)) = receiver.recv().await {
        sink.send(Cursor::new(chunk)).await.context("cannot load versions")?;
        bar.set_position(done);
    }
    sink.finish().await.context("cannot load versions")?;
    bar.finish_and_clear();
    Ok(generator.await?)
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [versions, posts, pages] =
            [self.counts.versions, self.posts as u64, self.pages as u64].map(grouped);
        let Loaded { sites, seconds, .. } = self;
        write!(
            f,
            "{versions} versions of {posts} posts and {pages} pages on {sites} sites loaded in {seconds:.1} s"
        )
    }
}

impl Loaded {
    /// The irregularities of the content, as in a real system.
    pub(crate) fn oddities(&self) -> String {
        let Counts { most_of_one, orphans, without_title, without_author, .. } = self.counts;
        let [most, orphans, untitled, anonymous] =
            [most_of_one, orphans, without_title, without_author].map(grouped);
        format!(
            "up to {most} versions per item; {orphans} of deleted content, {untitled} untitled, {anonymous} anonymous"
        )
    }
}
