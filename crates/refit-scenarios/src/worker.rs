//! A service reduced to its migrations, as a process of its own that a scenario can kill.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use refit::{Backfills, Migrator, Rollback};
use refit_backup::{BackupHook, Kind, Options};
use refit_model::{MigrationSet, Version};

/// Applies a folder as a service would, in the environment `production`, and works on its backfills until they are complete.
#[derive(Clone, Debug, clap::Args)]
pub struct Worker {
    /// The migrations folder.
    folder: PathBuf,
    /// The database.
    url: String,
    /// The folder of backups; without it, none are made.
    #[arg(long)]
    backups: Option<PathBuf>,
    /// The last version to apply.
    #[arg(long)]
    to: Option<Version>,
    /// Roll back to this version instead.
    #[arg(long)]
    rollback_to: Option<Version>,
    /// How long a worker owns a range of rows without renewing it.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    lease: f64,
}

impl Worker {
    /// Does the work, and returns its report as text. Log messages go to standard error.
    ///
    /// # Errors
    /// When the run or the rollback fails.
    pub async fn run(self) -> anyhow::Result<String> {
        // A second subscriber in a program that has one is not an error: that one is used.
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).try_init();
        let set = Arc::new(MigrationSet::from_dir(&self.folder)?);
        let mut migrator = Migrator::new(Arc::clone(&set))
            .backfills(Backfills::Inline)
            .lease(Duration::from_secs_f64(self.lease));
        if let Some(folder) = &self.backups {
            migrator = migrator.hook(BackupHook::new(
                self.url.as_str(),
                Kind::Tables,
                Arc::clone(&set),
                Options::new(folder),
            ));
        }
        if let Some(to) = self.to {
            migrator = migrator.to(to);
        }
        match self.rollback_to {
            Some(to) => {
                let rollback = Rollback { to, ..Default::default() };
                Ok(Box::pin(migrator.rollback(&self.url, &rollback)).await?.to_string())
            }
            None => Ok(Box::pin(migrator.run(&self.url)).await?.to_string()),
        }
    }
}
