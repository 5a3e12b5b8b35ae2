//! A backup before the first step of a run.

use std::sync::Arc;

use refit::{Hook, HookFuture, HookRun, HookStep, StepKind};
use refit_model::{MigrationSet, Version};

use crate::create::{Request, create};
use crate::error::Error;
use crate::kind::Kind;
use crate::options::Options;
use crate::touched::touched;

/// Makes a backup before the first step of each run that has something to do; if it fails, the run stops there.
///
/// It opens connections of its own, to `url`. A backup of kind `tables` holds the tables that the pending steps touch; if none of
/// them exists, none is made.
///
/// ```no_run
/// use refit_backup::{BackupHook, Kind, Options};
///
/// # async fn example(migrator: refit::Migrator, url: &str) -> Result<(), refit::Error> {
/// let options = Options::new("/var/backups/app");
/// let hook = BackupHook::new(url, Kind::Tables, migrator.set()?.clone(), options);
/// migrator.hook(hook).run(url).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct BackupHook {
    url: String,
    kind: Kind,
    set: Arc<MigrationSet>,
    options: Options,
}

/// Without the URL, which may contain a password.
impl std::fmt::Debug for BackupHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupHook")
            .field("kind", &self.kind)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl BackupHook {
    /// A hook for runs of a set on a database: the set as `Migrator::set` returns it, with the values of its placeholders.
    pub fn new(url: impl Into<String>, kind: Kind, set: Arc<MigrationSet>, options: Options) -> BackupHook {
        BackupHook { url: url.into(), kind, set, options }
    }

    async fn back_up(&self, run: HookRun<'_>, steps: &[HookStep<'_>]) -> Result<(), Error> {
        let mut tables = Vec::new();
        if self.kind == Kind::Tables {
            tables =
                touched_tables(&self.set, steps.iter().map(|step| (step.kind, step.version, step.stem)))?;
        }
        let request = Request {
            url: &self.url,
            kind: self.kind,
            tables,
            may_be_missing: true,
            run: run.run,
            state: run.state,
        };
        match create(&request, &self.options).await? {
            Some(backup) => tracing::info!(backup = backup.id, "backed up"),
            None => tracing::info!("no backup is needed: the pending steps touch no existing table"),
        }
        Ok(())
    }
}

/// The version whose effects are predicted if `refit.toml` names none: of locks, not of syntax.
pub(crate) const NEWEST: u32 = 18;

/// The tables that some steps of a set touch, for a backup of kind `tables`: see [`touched`](touched()).
///
/// # Errors
/// [`Error::Refused`] if a file may change tables that cannot be determined.
pub fn touched_tables<'a>(
    set: &MigrationSet,
    steps: impl IntoIterator<Item = (StepKind, Option<Version>, &'a str)>,
) -> Result<Vec<String>, Error> {
    let touched = touched(set, steps, set.settings().postgres.unwrap_or(NEWEST));
    match touched.opaque.is_empty() {
        true => Ok(touched.tables),
        false => Err(Error::Refused(format!(
            "it is not known which tables {} changes (dynamic SQL, an unknown procedure, or a dropped schema); make a full backup",
            touched.opaque.join(", ")
        ))),
    }
}

impl Hook for BackupHook {
    fn makes_backups(&self) -> bool {
        true
    }

    fn before_run<'a>(&'a self, run: HookRun<'a>, steps: &'a [HookStep<'a>]) -> HookFuture<'a> {
        Box::pin(async move { Ok(self.back_up(run, steps).await?) })
    }
}
