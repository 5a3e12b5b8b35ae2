//! The traffic during a backfill: reads and writes of single rows.

use rand::RngExt;
use refit::Connection;
use refit_scenarios::{Release, Requests};
use tokio_postgres::{Error, Statement};

/// Requests a second, of all clients together.
pub(crate) const RATE: u32 = 200;
pub(crate) const CLIENTS: u32 = 8;

/// Three of four requests read the title of a row, the others change it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Titles {
    /// Rows of the table.
    pub(crate) rows: u64,
}

/// A connection.
pub(crate) struct Client {
    connection: Connection,
    read: Statement,
    write: Statement,
    last: i64,
}

impl Release for Titles {
    type Client = Client;

    async fn prepare(&self, connection: Connection) -> Result<Client, Error> {
        let read = connection.prepare("SELECT title FROM content_versions WHERE id = $1").await?;
        let write = "UPDATE content_versions SET title = title || '.' WHERE id = $1";
        let write = connection.prepare(write).await?;
        let last = i64::try_from(self.rows).unwrap_or(i64::MAX);
        Ok(Client { connection, read, write, last })
    }
}

impl Requests for Client {
    async fn send(&mut self, number: u64) -> Result<(), Error> {
        let id = rand::rng().random_range(1..=self.last);
        let statement = if number.is_multiple_of(4) { &self.write } else { &self.read };
        self.connection.execute(statement, &[&id]).await.map(drop)
    }
}
