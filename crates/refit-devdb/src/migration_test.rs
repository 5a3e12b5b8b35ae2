//! Tests of one migration with rows: migrate to a version, insert, migrate on, and look.

use postgres::SimpleQueryMessage;
use refit_model::{MigrationSet, Version};

use crate::{Error, TestDb};

/// A database at a version of a set, with rows of the test's own.
///
/// ```no_run
/// # async fn test(set: refit_model::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
/// use refit_devdb::MigrationTest;
///
/// let test = MigrationTest::at(set, 14).await?;
/// test.execute("INSERT INTO content_versions (content_id, content_type) VALUES (7, 'post')").await?;
/// test.migrate_to(15).await?;
/// assert_eq!(test.rows("SELECT site_id FROM content_versions").await?, ["1"]);
/// # Ok(()) }
/// ```
///
/// [`migration_test!`](crate::migration_test) is a test that does this.
#[derive(Debug)]
pub struct MigrationTest {
    db: TestDb,
    set: MigrationSet,
}

impl MigrationTest {
    /// A database to which the set is applied up to a version, for the environment `test`. It is a clone of a template, which is
    /// made once per process.
    ///
    /// # Errors
    /// As [`TestDb::new`]; [`Error::Migrate`] if the set has no such version.
    pub async fn at(set: MigrationSet, version: Version) -> Result<MigrationTest, Error> {
        let key = format!("{} to {version}", set.digest());
        let migrator = migrator(&set).to(version);
        let fill = async |url: &str| migrator.run(url).await.map(drop).map_err(migrate);
        Ok(MigrationTest { db: TestDb::filled(&key, fill).await?, set })
    }

    /// The database.
    pub fn db(&self) -> &TestDb {
        &self.db
    }

    /// Runs SQL, which may be several statements.
    ///
    /// # Errors
    /// [`Error::Sql`] if it fails.
    pub async fn execute(&self, sql: &str) -> Result<(), Error> {
        let client = self.db.connect().await?;
        let outcome = client.batch_execute(sql).await;
        client.close().await;
        outcome.map_err(database)
    }

    /// The rows of a query: the values of each as text, separated by `, `, and `NULL` for none.
    ///
    /// # Errors
    /// [`Error::Sql`] if it fails.
    pub async fn rows(&self, sql: &str) -> Result<Vec<String>, Error> {
        let client = self.db.connect().await?;
        let messages = client.simple_query(sql).await;
        client.close().await;
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|column| row.get(column).unwrap_or("NULL"));
                Some(values.collect::<Vec<_>>().join(", "))
            }
            _ => None,
        };
        Ok(messages.map_err(database)?.iter().filter_map(row).collect())
    }

    /// Applies the set up to a version, with its checks, and runs its backfills to the end.
    ///
    /// # Errors
    /// [`Error::Migrate`] with the error of the run.
    pub async fn migrate_to(&self, version: Version) -> Result<(), Error> {
        let migrator = migrator(&self.set).checks(true).to(version);
        migrator.run(self.db.url()).await.map(drop).map_err(migrate)
    }

    /// Runs the text of a migration once more, without a record of it: all batches, if it is a backfill. A migration that may run
    /// twice leaves the rows as they were.
    ///
    /// # Errors
    /// [`Error::Migrate`] if a statement fails, or the set has no such version.
    pub async fn repeat(&self, version: Version) -> Result<(), Error> {
        let unknown =
            || migrate(refit::Error::Target(format!("there is no migration with version {version}")));
        let migrator = migrator(&self.set);
        let migration = migrator.set().map_err(migrate)?.migration(version).ok_or_else(unknown)?;
        let client = self.db.connect().await?;
        let outcome = async {
            let executor = refit::Executor::begin(&client).await?;
            let mut script = refit::Script::new(&migration.path, &migration.sql, &migration.directives);
            script.version = Some(version);
            let outcome = executor.run(&script, None).await;
            executor.end().await;
            outcome
        };
        let outcome = outcome.await;
        client.close().await;
        outcome.map_err(migrate)
    }
}

/// Backfills run inline: no other process would finish them.
fn migrator(set: &MigrationSet) -> refit::Migrator {
    refit::Migrator::new(set.clone()).environment("test").backfills(refit::Backfills::Inline)
}

fn migrate(error: refit::Error) -> Error {
    Error::Migrate(Box::new(error))
}

fn database(error: postgres::Error) -> Error {
    Error::sql("querying a test database", &error)
}

/// Defines a test of migrations with rows: the database is migrated to the first version, `before` runs, it is migrated to the second
/// version, and each query returns its rows.
///
/// ```no_run
/// refit_devdb::migration_test! {
///     versions_get_the_site_of_their_post: "../../migrations", 14 => 15,
///     before "INSERT INTO content_versions (content_id, content_type) VALUES (7, 'post')",
///     after {
///         "SELECT site_id FROM content_versions" => ["1"],
///     }
/// }
/// # fn main() {}
/// ```
///
/// A relative folder is relative to the crate's manifest. Rows are compared as text: the values of each separated by `, `. For
/// anything else, write a test with [`MigrationTest`](crate::MigrationTest).
#[macro_export]
macro_rules! migration_test {
    ($name:ident: $folder:expr, $from:expr => $to:expr, before $before:expr,
     after { $($query:expr => $rows:expr),+ $(,)? }) => {
        #[test]
        fn $name() {
            let folder = ::std::path::Path::new(::core::env!("CARGO_MANIFEST_DIR")).join($folder);
            let after: &[(&str, &[&str])] = &[$(($query, &$rows)),+];
            if let ::core::result::Result::Err(why) = $crate::check_migration(&folder, $from, $to, $before, after) {
                ::core::panic!("{why}");
            }
        }
    };
}

/// What [`migration_test!`](crate::migration_test) does.
///
/// # Errors
/// The query whose rows are others, or what failed.
pub fn check_migration(
    folder: &std::path::Path,
    from: Version,
    to: Version,
    before: &str,
    after: &[(&str, &[&str])],
) -> Result<(), String> {
    let set = MigrationSet::from_dir(folder).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    let test = async {
        let test = MigrationTest::at(set, from).await?;
        test.execute(before).await?;
        test.migrate_to(to).await?;
        let mut others = Vec::new();
        for (query, expected) in after {
            let rows = test.rows(query).await?;
            if rows != *expected {
                others.push(format!("{query}\n  expected: {expected:?}\n  found:    {rows:?}"));
            }
        }
        Ok::<_, Error>(others)
    };
    let others = runtime.block_on(test).map_err(|error| message(&error))?;
    if others.is_empty() { Ok(()) } else { Err(others.join("\n")) }
}

/// An error with its causes.
fn message(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
