//! Standbys and replication slots that have disappeared: their lag is unknown, which does not mean that it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::controller::Signal;
use crate::error::Error;
use crate::queries::Queries;

/// How long a missing standby or slot stops the work, unless it returns.
pub(crate) const ABSENCE: Duration = Duration::from_secs(10 * 60);

/// The standbys and slots of each server, by its URL, for as long as the program runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followers(Arc<Mutex<BTreeMap<String, Followed>>>);

#[derive(Debug, Default)]
struct Followed {
    /// The server's timeline: another timeline is another primary, with other standbys.
    timeline: String,
    /// When each standby or slot was last present.
    seen: BTreeMap<String, Instant>,
}

/// Standbys and subscribers that confirm what they have replayed, and slots that outlive their session. The slots of table
/// synchronization in logical replication are temporary by design.
const FOLLOWERS: &str = "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8), \
    ARRAY(SELECT pg_catalog.concat('the standby ', coalesce(nullif(application_name, ''), 'without a name'), ' ' || pg_catalog.host(client_addr)) \
          FROM pg_catalog.pg_stat_replication WHERE state IN ('streaming', 'catchup') AND replay_lsn IS NOT NULL \
            AND application_name !~ '^pg_[0-9]+_sync_[0-9]+' \
          UNION ALL SELECT pg_catalog.concat('the replication slot ', slot_name) FROM pg_catalog.pg_replication_slots \
          WHERE NOT temporary AND slot_name::pg_catalog.text !~ '^pg_[0-9]+_sync_[0-9]+')";

impl Followers {
    /// Reads the current standbys and slots; signals full load if an earlier one is missing.
    ///
    /// # Errors
    /// When the query fails.
    pub(crate) async fn look(&self, client: &Client, url: &str) -> Result<Option<Signal>, Error> {
        let none: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 0] = [];
        let row = client.query_one_boxed(FOLLOWERS, &none).await;
        let row = row.map_err(Error::database("looking for standbys"))?;
        let (timeline, there): (String, Vec<String>) = (row.get(0), row.get(1));
        let mut servers = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(servers.entry(url.to_owned()).or_default().compare(timeline, there, Instant::now()))
    }
}

impl Followed {
    fn compare(&mut self, timeline: String, there: Vec<String>, now: Instant) -> Option<Signal> {
        if self.timeline != timeline {
            *self = Followed { timeline, seen: BTreeMap::new() };
        }
        let there: BTreeSet<String> = there.into_iter().collect();
        self.seen.retain(|_, last| now.saturating_duration_since(*last) < ABSENCE);
        let gone = self.seen.iter().filter(|(name, _)| !there.contains(*name)).max_by_key(|(_, last)| **last);
        let signal = gone.map(|(name, last)| {
            let seconds = now.saturating_duration_since(*last).as_secs();
            let left = ABSENCE.as_secs().saturating_sub(seconds);
            Signal {
                says: format!(
                    "{name} disappeared {seconds} s ago: waiting until it returns, at most {left} s more"
                ),
                load: 1.0,
            }
        });
        self.seen.extend(there.into_iter().map(|name| (name, now)));
        signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_disappears_stops_the_work_until_it_is_back() {
        let mut followed = Followed::default();
        let (began, minute) = (Instant::now(), Duration::from_secs(60));
        let mut look = |timeline: &str, there: &[&str], after: Duration| {
            let there = there.iter().map(|&name| name.to_owned()).collect();
            followed
                .compare(timeline.to_owned(), there, began + after)
                .map(|signal| (signal.load, signal.says))
        };
        assert_eq!(look("1", &["a", "b"], Duration::ZERO), None);
        let (load, says) = look("1", &["b"], minute).unwrap();
        assert!(load >= 1.0 && says.starts_with("a disappeared 60 s ago"), "{says}");
        assert_eq!(look("1", &["a", "b"], minute * 2), None);
        assert!(look("1", &["b"], minute * 11).is_some());
        assert_eq!(look("1", &["b"], minute * 12), None, "it is not waited for any longer");
        assert_eq!(look("2", &[], minute * 13), None, "another primary has other standbys");
    }
}
