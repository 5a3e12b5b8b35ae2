//! Prints a database's schema, or times reading it: `cargo run --example catalog -- URL [text|json|time]`.

use std::io::Write;
use std::time::Instant;

use refit_catalog::{Catalog, ReadOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let url = arguments.get(1).ok_or_else(|| anyhow::anyhow!("give a URL"))?;
    let started = Instant::now();
    let connect = || async { refit::connect(url, &refit::ConnectOptions::default()).await };
    let (client, other) = (connect().await?, connect().await?);
    let connected = started.elapsed();
    let catalog = Catalog::read_by_two([&client, &other], &ReadOptions::default()).await?;
    let read = started.elapsed();
    let text = catalog.text();
    let written = started.elapsed();
    let out = match arguments.get(2).map(String::as_str) {
        Some("json") => catalog.to_json(),
        Some("time") => format!(
            "connected {connected:?}, read {:?}, text {:?}, digest {}\n",
            read - connected,
            written - read,
            catalog.digest()
        ),
        _ => text,
    };
    Ok(std::io::stdout().lock().write_all(out.as_bytes())?)
}
