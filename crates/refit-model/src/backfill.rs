//! The `backfill` directive: which rows a backfill walks, and how.

use serde::{Deserialize, Serialize};

/// `-- refit: backfill = { table = "…", key = ["id"], batch = 10000, workers = 2 }`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillDirective {
    /// The table whose rows change, optionally qualified.
    pub table: String,
    /// The columns of the key that orders the batches; unique together, and not null.
    pub key: Vec<String>,
    /// Rows in a batch to begin with.
    #[serde(default = "default_batch_rows")]
    pub batch: u32,
    /// Workers at most.
    #[serde(default = "default_workers")]
    pub workers: u32,
}

const fn default_batch_rows() -> u32 {
    10_000
}

const fn default_workers() -> u32 {
    2
}

impl BackfillDirective {
    /// What is wrong with the values, in words.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        if self.table.trim().is_empty() {
            Some("`table` is empty")
        } else if self.key.is_empty() || self.key.iter().any(|column| column.trim().is_empty()) {
            Some("`key` needs at least one column")
        } else if self.batch == 0 {
            Some("`batch` must be at least 1")
        } else if self.workers == 0 {
            Some("`workers` must be at least 1")
        } else {
            None
        }
    }
}
