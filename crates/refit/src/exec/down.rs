//! Down files, as steps run them.

use std::time::Duration;

use refit_model::{CompanionFile, Migration, SqlText, front_matter};

/// The text that undoes a migration, with the directives of its own front matter.
#[derive(Debug)]
pub(crate) struct Down {
    pub(crate) path: String,
    pub(crate) sql: SqlText,
    pub(crate) transaction: bool,
    pub(crate) lock_timeout: Option<Duration>,
    /// The checksum of a migration of that name with this text.
    pub(crate) checksum: u64,
}

impl Down {
    /// Reads a migration's down file; `None` if it has none.
    ///
    /// # Errors
    /// If the file cannot run: a message with the place and what to do.
    pub(crate) fn of(migration: &Migration) -> Result<Option<Down>, String> {
        let Some(CompanionFile { path, text }) = &migration.down else { return Ok(None) };
        let (directives, _, problems) = front_matter(path, text);
        if let Some(problem) = problems.first() {
            return Err(problem.to_string());
        }
        if directives.backfill.is_some() {
            return Err(format!(
                "{path}: a down file cannot be a backfill; use the directive `undo` of the migration itself"
            ));
        }
        super::can_run(path, text, directives.transaction).map_err(|error| error.message())?;
        let named = refinery_core::Migration::unapplied(&migration.stem, text.written());
        Ok(Some(Down {
            path: path.clone(),
            sql: text.clone(),
            transaction: directives.transaction,
            lock_timeout: directives.lock_timeout.or(migration.directives.lock_timeout),
            // This does not fail: the migration with this stem has a checksum too.
            checksum: named.map_or(0, |named| named.checksum()),
        }))
    }
}
