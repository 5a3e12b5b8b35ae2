//! Pipelined queries on two sessions, and their answers, taken in any order.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio_postgres::{GenericClient, Row};

use crate::kinds::Lane;
use crate::{Error, session};

/// Queries whose answers have not been taken. While one answer is awaited, all that arrive are received: a session
/// stops working when its answers are not received.
pub(crate) struct Answers<'a, C> {
    clients: [&'a C; 2],
    asked: usize,
    coming: FuturesUnordered<BoxFuture<'a, Answer>>,
    here: HashMap<usize, Vec<Row>>,
}

/// The index of a query, and its answer.
type Answer = (usize, Result<Vec<Row>, Error>);

/// A query, used to take its answer.
#[derive(Debug)]
pub(crate) struct Asked(usize);

impl<'a, C: GenericClient + Sync> Answers<'a, C> {
    pub(crate) fn new(clients: [&'a C; 2]) -> Answers<'a, C> {
        Answers { clients, asked: 0, coming: FuturesUnordered::new(), here: HashMap::new() }
    }

    /// Adds a query to the session of a lane, after its earlier ones. It is sent when an answer is awaited.
    pub(crate) fn ask(&mut self, lane: Lane, what: &'static str, sql: String) -> Asked {
        let (client, place) = (self.clients[lane as usize], self.asked);
        self.asked += 1;
        self.coming.push(Box::pin(async move { (place, session::ask(client, what, sql).await) }));
        Asked(place)
    }

    /// Waits for the answer.
    pub(crate) async fn take(&mut self, asked: Asked) -> Result<Vec<Row>, Error> {
        loop {
            if let Some(rows) = self.here.remove(&asked.0) {
                return Ok(rows);
            }
            match self.coming.next().await {
                Some((place, rows)) => drop(self.here.insert(place, rows?)),
                None => return Ok(Vec::new()),
            }
        }
    }
}
