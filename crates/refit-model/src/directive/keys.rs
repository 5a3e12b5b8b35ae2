//! The keys of the front matter. Their documentation is the text of `docs/reference/directives.md` (`cargo xtask reference`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backfill::BackfillDirective;
use crate::file_name::Version;
use crate::text::Position;

/// The step of an expand, migrate and contract change that a migration belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Adds what the new release needs; the old one does not notice.
    Expand,
    /// Moves data while both releases run.
    Migrate,
    /// Removes what only the old release needed. Lint rules about breaking the old release are silent if the file also says
    /// why: in a comment above its first statement, or in its `.md` file.
    Contract,
}

/// What a migration is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Tables, columns, views, functions.
    Schema,
    /// Rows.
    Data,
    /// Indexes.
    Index,
    /// Constraints.
    Constraint,
}

impl Category {
    /// All of them.
    pub const ALL: [Category; 4] = [Category::Schema, Category::Data, Category::Index, Category::Constraint];

    /// Its name in directives.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Schema => "schema",
            Category::Data => "data",
            Category::Index => "index",
            Category::Constraint => "constraint",
        }
    }

    /// The category with a name.
    ///
    /// ```
    /// use refit_model::Category;
    ///
    /// assert_eq!(Category::named("data"), Some(Category::Data));
    /// assert_eq!(Category::named("dates"), None);
    /// ```
    pub fn named(name: &str) -> Option<Category> {
        Category::ALL.into_iter().find(|category| category.as_str() == name)
    }
}

/// Directives are settings of one migration. They stand in comments before its first statement, one TOML key a line. An
/// unknown key, a wrong value and a key that is set twice are errors of the build.
///
/// ```sql
/// -- refit: transaction = false
/// -- refit: after = ["V0004"]
/// CREATE INDEX CONCURRENTLY posts_site_id_idx ON posts (site_id);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Directives {
    /// Whether the migration runs in one transaction, together with its history row. With `false` it runs statement by
    /// statement, as CREATE INDEX CONCURRENTLY and the like require. Refit then records how many statements are complete, and
    /// the run after an interruption resumes there.
    pub transaction: bool,
    /// The migration is held until these are complete, backfills included. They are earlier versions of the same folder.
    ///
    /// ```sql
    /// -- refit: after = ["V0004"]
    /// ```
    pub after: Vec<Version>,
    /// The migration is held while one of these is held. It does not wait for their backfills. They are earlier versions of
    /// the same folder.
    pub depends: Vec<Version>,
    /// The step of an expand, migrate and contract change that the migration belongs to.
    pub phase: Option<Phase>,
    /// Whether the migration runs only when it is named: by `cargo xtask migrate --include V0009`, or by `Migrator::include`.
    pub manual: bool,
    /// The package that the migration belongs to, for `--from-package` and `--to-package` of `cargo xtask migrate`, `plan` and
    /// `status`. Where `refit.toml` has ranges (`[package.NAME]`), the version decides, and only a repeatable migration needs this.
    pub package: Option<String>,
    /// The migration runs only in these environments. If it is not set, it runs in all. `--environment` or
    /// `Migrator::environment` says which environment a run is in; the default is `production`.
    ///
    /// ```sql
    /// -- refit: environments = ["development", "test"]
    /// ```
    pub environments: Vec<String>,
    /// What the migration is about. `cargo xtask plan --category data` and `status --category data` show only migrations of a
    /// category.
    pub category: Option<Category>,
    /// The release that the migration ships with, such as `"2.0.1"`. `cargo xtask migrate --to-release 2.0.1` applies all up to
    /// and including the last one of a release, and `plan --release 2.0.1` and `status --release 2.0.1` show only those of a
    /// release.
    pub release: Option<String>,
    /// How long a statement may wait for a lock, such as `"500ms"`, `"2s"` or `"1min"`: at least `"1ms"`, less than a day. A step
    /// in a transaction is rolled back then, and tried again; if this is not set, `lock_timeout` of `refit.toml` applies. Outside
    /// a transaction there is no limit unless this is set.
    pub lock_timeout: Option<Duration>,
    /// The rows of a table change in batches, after the migration was applied.
    pub backfill: Option<BackfillDirective>,
}

impl Default for Directives {
    fn default() -> Directives {
        Directives {
            transaction: true,
            after: Vec::new(),
            depends: Vec::new(),
            phase: None,
            manual: false,
            package: None,
            environments: Vec::new(),
            category: None,
            release: None,
            lock_timeout: None,
            backfill: None,
        }
    }
}

impl Directives {
    /// Whether the migration is part of the plan in an environment.
    pub fn runs_in(&self, environment: &str) -> bool {
        self.environments.is_empty() || self.environments.iter().any(|name| name == environment)
    }

    /// Whether the migration may stay behind while later ones run: it is then never "out of order".
    pub fn may_wait(&self) -> bool {
        self.manual || self.backfill.is_some() || !self.after.is_empty() || !self.environments.is_empty()
    }
}

/// A comment `-- refit: allow(rule): reason` accepts what a rule of the linter finds in the statement that follows. It may
/// stand above any statement, and name several rules: `allow(lock-held, drop-view)`. One without a reason, one that accepts
/// nothing and one that names no rule are findings themselves.
///
/// ```sql
/// -- refit: allow(unbatched-update): 12 rows, static table
/// UPDATE plans SET monthly = true;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// The rule's name as written.
    pub rule: String,
    /// Why; empty when none is given.
    pub reason: String,
    /// Where the comment stands.
    pub position: Position,
}

/// Every key of a migration, in the order of [`Directives`].
pub(super) const KEYS: [&str; 11] = [
    "transaction",
    "after",
    "depends",
    "phase",
    "manual",
    "package",
    "environments",
    "category",
    "release",
    "lock_timeout",
    "backfill",
];

/// Those that have a meaning in a repeatable migration.
pub(super) const REPEATABLE_KEYS: [&str; 6] =
    ["transaction", "environments", "package", "category", "release", "lock_timeout"];
