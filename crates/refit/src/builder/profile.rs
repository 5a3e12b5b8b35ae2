//! Options that take precedence over the profile of the environment in `refit.toml`.

use refit_model::Boot;

use crate::migrator::Migrator;
use crate::options::Budgets;

impl Migrator {
    /// Sets what [`run`](Migrator::run) does, instead of `boot` in the profile of the environment.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.boot(refit::model::Boot::Check)
    /// # }
    /// ```
    #[must_use]
    pub fn boot(mut self, boot: Boot) -> Migrator {
        self.planner.options.boot = Some(boot);
        self
    }

    /// Passes closed gates of the environment: windows, freeze periods, and migrations that the environment that comes first has
    /// not applied. Runs, rollbacks and work on backfills then ignore them. `reason` is recorded with the run before it begins, and
    /// is in its report; an empty one is an error of the run.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.override_gates("incident 4711: the index is needed now")
    /// # }
    /// ```
    #[must_use]
    pub fn override_gates(mut self, reason: impl Into<String>) -> Migrator {
        self.planner.options.override_reason = Some(reason.into());
        self
    }

    /// Ignores the profile of the environment in `refit.toml`: for a database that is thrown away, where nothing has to be
    /// protected. Migrations with an `environments` directive are still selected by [`environment`](Migrator::environment).
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.environment("test").ignore_profile()
    /// # }
    /// ```
    #[must_use]
    pub fn ignore_profile(mut self) -> Migrator {
        self.planner.options.ignores_profile = true;
        self
    }

    /// Whether a run runs the checks of the migrations that it applies: those with `when = "before"` before the first step, the
    /// others after their migration, in its transaction if it has one. A check that fails ends the run; a transaction is rolled
    /// back. By default, `checks` in the profile of the environment decides, and without one no checks run.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.checks(true)
    /// # }
    /// ```
    #[must_use]
    pub fn checks(mut self, run: bool) -> Migrator {
        self.planner.options.checks = Some(run);
        self
    }

    /// What a run does with budgets, before its first step and after its last one. It takes the time of all executions, under the
    /// lock. By default, `budgets` in the profile of the environment decides, and without one they are not measured.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.budgets(refit::Budgets::Enforce)
    /// # }
    /// ```
    #[must_use]
    pub fn budgets(mut self, budgets: Budgets) -> Migrator {
        self.planner.options.budgets = Some(budgets);
        self
    }
}
