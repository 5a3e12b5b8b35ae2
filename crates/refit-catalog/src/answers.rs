//! Questions on their way by two sessions, and the answers to them, taken in any order.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio_postgres::{GenericClient, Row};

use crate::kinds::Lane;
use crate::{Error, session};

/// What was asked and is not taken. While one answer is waited for, all that come are received: a session goes no further than to
/// an answer that nobody receives.
pub(crate) struct Answers<'a, C> {
    clients: [&'a C; 2],
    asked: usize,
    coming: FuturesUnordered<BoxFuture<'a, Answer>>,
    here: HashMap<usize, Vec<Row>>,
}

/// To which question, and what.
type Answer = (usize, Result<Vec<Row>, Error>);

/// A question, to take its answer by.
#[derive(Debug)]
pub(crate) struct Asked(usize);

impl<'a, C: GenericClient + Sync> Answers<'a, C> {
    pub(crate) fn new(clients: [&'a C; 2]) -> Answers<'a, C> {
        Answers { clients, asked: 0, coming: FuturesUnordered::new(), here: HashMap::new() }
    }

    /// Asks, of the session of a lane, after what it was asked before. What is asked goes out when an answer is waited for.
    pub(crate) fn ask(&mut self, lane: Lane, what: &'static str, sql: String) -> Asked {
        let (client, place) = (self.clients[lane as usize], self.asked);
        self.asked += 1;
        self.coming.push(Box::pin(async move { (place, session::ask(client, what, sql).await) }));
        Asked(place)
    }

    /// The answer.
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
