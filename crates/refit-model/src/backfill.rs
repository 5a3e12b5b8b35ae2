//! The `backfill` directive: which rows a backfill walks, and how. The documentation of its keys is the text of
//! `docs/reference/directives.md` (`cargo xtask reference`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::undo::{Inserted, Undo};
use crate::settings::parse_duration;

mod undo;

/// A backfill changes the rows of a table in batches, each a transaction of its own, after its migration was applied. The file
/// holds the statement of a batch; or none, if the program has a function for it (`Migrator::backfill_with`).
///
/// ```sql
/// -- refit: backfill = { table = "posts", key = ["id"], batch = 5000, undo = ["site_id"] }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillDirective {
    /// The table whose rows are walked, written as in SQL: with its schema, or as the search path finds it.
    pub table: String,
    /// The columns that order the rows: never NULL, and the first ones of a b-tree index. `["ctid"]` walks the table's
    /// blocks instead, and needs `remaining`.
    pub key: Vec<String>,
    /// Rows in the first batch, at least 1. Later batches grow and shrink towards `duration`.
    #[serde(default = "default_batch_rows")]
    pub batch: u32,
    /// Workers at once, in all processes together: 1 to 64. Each holds a connection while it works.
    #[serde(default = "default_workers")]
    pub workers: u32,
    /// How long the transaction of a batch should take: a duration, such as `"50ms"`.
    #[serde(default = "default_duration")]
    pub duration: String,
    /// The order in which rows are walked. If it is not set, Refit chooses: from the statement, the table's statistics and
    /// indexes, and how old the oldest snapshot is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// A condition on the table that holds for rows still to be done. If it is not set, it is taken from a condition
    /// `column IS NULL` of the statement, for a column that it sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<String>,
    /// What is kept, so that `cargo xtask rollback` can undo it: a list of columns, whose earlier values are restored, or
    /// `{ inserted = "forms" }`, a table into which the statement inserts, whose new rows are deleted. Columns may be neither
    /// generated nor in the key, which must be unique. The table needs a primary key, or a unique one without NULL, and the
    /// statement is a single INSERT without RETURNING and ON CONFLICT DO UPDATE. It is kept for `undo_retention` of
    /// `refit.toml`.
    ///
    /// ```sql
    /// -- refit: backfill = { table = "posts", key = ["id"], undo = { inserted = "forms" } }
    /// ```
    #[serde(default, skip_serializing_if = "Undo::is_empty")]
    pub undo: Undo,
    /// A daily window in which batches may run, by the server's clock: `"01:00-05:00 Europe/Berlin"`. It may span midnight. If
    /// it is not set, they run at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// A query that returns how busy the system is, as one number. Below 0.4 a worker is added, above 0.7 one is removed, and
    /// from 1 on the work stops until the number is below 0.8.
    ///
    /// ```sql
    /// -- refit: backfill = { table = "posts", key = ["id"], throttle = "SELECT count(*) / 1000.0 FROM outbox" }
    /// ```
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<String>,
    /// How many rows may fail before the backfill does.
    #[serde(default = "default_errors")]
    pub errors: u32,
    /// How many rows may fail before the backfill does, in percent of the rows walked: 0 to 100. It applies from the
    /// 10,000th row on.
    #[serde(default = "default_error_percent")]
    pub error_percent: u32,
    /// Whether a batch may read a whole table. Without it, a backfill whose query plan does so fails before a row changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_scan: bool,
}

/// How a backfill walks its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Consecutive keys, one batch after the other.
    Keyset,
    /// A tenth of the rows of a window of keys at a time, so that later batches use the space that earlier ones left. The
    /// statement needs the parameters of a stripe, `key % $3 = $4`.
    Striped,
    /// Consecutive blocks of the table; only with `key = ["ctid"]`.
    Heap,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Strategy; 3] = [Strategy::Keyset, Strategy::Striped, Strategy::Heap];

    /// Its name in directives, in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Keyset => "keyset",
            Strategy::Striped => "striped",
            Strategy::Heap => "heap",
        }
    }

    /// The strategy with a name.
    ///
    /// ```
    /// use refit_model::Strategy;
    ///
    /// assert_eq!(Strategy::named("heap"), Some(Strategy::Heap));
    /// assert_eq!(Strategy::named("a newer one"), None);
    /// ```
    pub fn named(name: &str) -> Option<Strategy> {
        Strategy::ALL.into_iter().find(|strategy| strategy.as_str() == name)
    }
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A daily window in which batches may run, in the local time of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The first minute, as `HH:MM`.
    pub from: String,
    /// The minute at which it ends, as `HH:MM`; before `from` if the window spans midnight.
    pub to: String,
    /// The time zone's name.
    pub zone: String,
}

/// The highest value of `workers`.
pub const MAX_WORKERS: u32 = 64;

const fn default_batch_rows() -> u32 {
    10_000
}

const fn default_workers() -> u32 {
    2
}

fn default_duration() -> String {
    "100ms".to_owned()
}

const fn default_errors() -> u32 {
    100
}

const fn default_error_percent() -> u32 {
    1
}

impl BackfillDirective {
    /// The target duration of a batch's transaction.
    pub fn target(&self) -> Duration {
        parse_duration(&self.duration).unwrap_or(Duration::from_millis(100))
    }

    /// When batches may run; `None` means always.
    pub fn window(&self) -> Option<Window> {
        self.only.as_deref().and_then(window)
    }

    /// Whether the heap is walked instead of a key.
    pub fn walks_heap(&self) -> bool {
        self.key == ["ctid"]
    }

    /// Why the values are invalid, as text.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        let heap = self.strategy == Some(Strategy::Heap);
        if self.table.trim().is_empty() {
            Some("`table` is empty")
        } else if self.key.is_empty() || self.key.iter().any(|column| column.trim().is_empty()) {
            Some("`key` needs at least one column")
        } else if self.batch == 0 {
            Some("`batch` must be at least 1")
        } else if self.workers == 0 {
            Some("`workers` must be at least 1")
        } else if self.workers > MAX_WORKERS {
            Some("`workers` is at most 64: each worker holds a connection")
        } else if self.undo.columns().iter().any(|column| self.key.contains(column)) {
            Some("`undo` names a column of `key`: rows are restored by their key, which must not change")
        } else if self.undo.inserted().is_some_and(|table| table.trim().is_empty()) {
            Some("`undo` names no table: write it as `undo = { inserted = \"forms\" }`")
        } else if parse_duration(&self.duration).map_or(true, |duration| duration.is_zero()) {
            Some("`duration` is a time such as \"100ms\"")
        } else if self.only.is_some() && self.window().is_none() {
            Some("`only` is a window such as \"01:00-05:00 Europe/Berlin\"")
        } else if self.error_percent > 100 {
            Some("`error_percent` is at most 100")
        } else if heap != self.walks_heap() && (heap || self.strategy.is_some()) {
            Some("the strategy \"heap\" and `key = [\"ctid\"]` must be used together")
        } else if self.walks_heap() && self.remaining.is_none() {
            Some(
                "a backfill over the heap misses rows that move: it needs `remaining`, a condition that finds them",
            )
        } else {
            None
        }
    }
}

fn window(text: &str) -> Option<Window> {
    let (times, zone) = text.trim().split_once(' ')?;
    let (from, to) = times.split_once('-')?;
    let zone = zone.trim();
    let valid = is_time(from) && is_time(to) && from != to && !zone.is_empty();
    valid.then(|| Window { from: from.to_owned(), to: to.to_owned(), zone: zone.to_owned() })
}

fn is_time(text: &str) -> bool {
    let number = |text: &str, below: u32| {
        text.len() == 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u32>().is_ok_and(|n| n < below)
    };
    text.split_once(':').is_some_and(|(hours, minutes)| number(hours, 24) && number(minutes, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> Result<BackfillDirective, String> {
        let text = format!("b = {{ table = \"t\", key = [\"id\"]{rest} }}");
        let mut table: toml::Table = toml::from_str(&text).unwrap();
        let value = table.remove("b").unwrap();
        let directive: BackfillDirective =
            value.try_into().map_err(|error: toml::de::Error| error.to_string())?;
        directive.complaint().map_or(Ok(directive.clone()), |complaint| Err(complaint.to_owned()))
    }

    #[test]
    fn defaults_and_values() {
        let plain = read("").unwrap();
        assert_eq!((plain.batch, plain.workers, plain.target()), (10_000, 2, Duration::from_millis(100)));
        assert_eq!(read(", workers = 64").unwrap().workers, MAX_WORKERS);
        let full = read(
            ", duration = \"50ms\", strategy = \"striped\", remaining = \"a IS NULL\", undo = [\"a\"], \
             only = \"23:30-05:00 Europe/Berlin\", throttle = \"SELECT 0\", errors = 5, error_percent = 0, allow_scan = true",
        )
        .unwrap();
        assert_eq!(full.target(), Duration::from_millis(50));
        let window = full.window().unwrap();
        assert_eq!(
            (window.from.as_str(), window.to.as_str(), window.zone.as_str()),
            ("23:30", "05:00", "Europe/Berlin")
        );
        let again: BackfillDirective = toml::from_str(&toml::to_string(&full).unwrap()).unwrap();
        assert_eq!(again, full);
        let inserts = read(", undo = { inserted = \"app.forms\" }").unwrap();
        assert_eq!((inserts.undo.inserted(), inserts.undo.is_empty()), (Some("app.forms"), false));
        let again: BackfillDirective = toml::from_str(&toml::to_string(&inserts).unwrap()).unwrap();
        assert_eq!(again, inserts);
    }

    #[test]
    fn wrong_values_are_reported() {
        for (rest, complaint) in [
            (", batch = 0", "`batch`"),
            (", workers = 0", "`workers` must be at least 1"),
            (", workers = 65", "`workers` is at most 64"),
            (", undo = [\"n\", \"id\"]", "`undo` names a column of `key`"),
            (", undo = { inserted = \" \" }", "names no table"),
            (", undo = { deleted = \"t\" }", "{ inserted = \"forms\" }"),
            (", undo = 5", "a list of columns"),
            (", duration = \"soon\"", "`duration`"),
            (", duration = \"0s\"", "`duration`"),
            (", only = \"01:00-05:00\"", "`only`"),
            (", only = \"1:00-25:00 UTC\"", "`only`"),
            (", error_percent = 101", "`error_percent`"),
            (", strategy = \"heap\"", "ctid"),
            (", strategy = \"zigzag\"", "zigzag"),
        ] {
            assert!(read(rest).unwrap_err().contains(complaint), "{rest}: {:?}", read(rest));
        }
    }
}
