//! A database per test. All of a process share one server, which is started by the first test that asks and stopped by
//! its watchdog when the process ends; a set is applied once, to a template that the tests' databases are cloned from.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::OnceCell;

use crate::{Error, Server, ServerOptions, sql};

/// The one server. A static is never dropped: the watchdog sees to its end.
static SERVER: Mutex<Option<Arc<Server>>> = Mutex::new(None);

/// What has been made of each template, by key. The cell is what tests that come first at once wait for.
static TEMPLATES: Mutex<Option<HashMap<String, Arc<OnceCell<()>>>>> = Mutex::new(None);

static COUNT: AtomicU64 = AtomicU64::new(1);

/// A database of one's own on a private server, dropped with the value.
#[derive(Debug)]
pub struct TestDb {
    server: Arc<Server>,
    name: String,
    url: String,
}

impl TestDb {
    /// A database to which the set has been applied. Two lines are all that a test needs:
    ///
    /// ```no_run
    /// # async fn test(set: refit_model::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
    /// let db = refit_devdb::TestDb::new(set).await?; // or (&MIGRATIONS)
    /// let client = db.connect().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// The set is applied once per process, for the environment `test` and backfills included, to a template that is
    /// keyed by the set's digest.
    ///
    /// # Errors
    /// As [`TestDb::empty`]; [`Error::Set`] and [`Error::Migrate`] when the set is malformed or fails.
    pub async fn new(source: impl Into<refit::Source>) -> Result<TestDb, Error> {
        let source = source.into();
        let digest = source.set().map_err(|error| Error::Set(Box::new(error)))?.digest();
        let migrate = async |url: &str| {
            // A clone has no process that would finish what its template left undone.
            let migrator =
                refit::Migrator::new(source).environment("test").backfills(refit::Backfills::Inline);
            migrator.run(url).await.map(drop).map_err(|error| Error::Migrate(Box::new(error)))
        };
        TestDb::filled(&digest, migrate).await
    }

    /// A database without anything in it. The server is as [`ServerOptions::for_tests`] says.
    ///
    /// # Errors
    /// Those of [`Server::start`] for the first of a process, [`Error::Sql`] when the database cannot be made.
    pub async fn empty() -> Result<TestDb, Error> {
        let server = server().await?;
        clone(server, "template1".into()).await
    }

    /// A database cloned from a template that `fill` prepares, given its URL, once per process and `key`. `fill` must
    /// close its connections. For what [`TestDb::new`] does not do: rows that many tests need, or another tool's
    /// migrations.
    ///
    /// # Errors
    /// As [`TestDb::empty`], and what `fill` returns. A template that could not be filled is tried again by the
    /// next test.
    pub async fn filled<E: From<Error>>(
        key: &str,
        fill: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) -> Result<TestDb, E> {
        let server = server().await?;
        let template = format!("refit_template_{}", short(key));
        let cell = held(&TEMPLATES).get_or_insert_default().entry(template.clone()).or_default().clone();
        let make = async || {
            let statements = [
                // A test that was cancelled while it filled the template left half of one.
                format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)"),
                format!("CREATE DATABASE {template}"),
            ];
            administer(&server, "making a template", statements.into()).await?;
            fill(&server.url(&template)).await?;
            // What still closes would make the first clones wait.
            let leave = format!(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'"
            );
            administer(&server, "closing a template", vec![leave]).await?;
            Ok::<(), E>(())
        };
        cell.get_or_try_init(make).await?;
        Ok(clone(server, template).await?)
    }

    /// A connection to it.
    ///
    /// # Errors
    /// [`Error::Migrate`] with what `refit` says when the server does not answer.
    pub async fn connect(&self) -> Result<refit::Connection, Error> {
        let connected = refit::connect(&self.url, &refit::ConnectOptions::default()).await;
        connected.map_err(|error| Error::Migrate(Box::new(error)))
    }

    /// The URL, as [`Server::url`].
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server, which the process's other test databases share.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = sql::execute(&self.server.url("postgres"), "dropping a test database", &[&drop]) {
            tracing::warn!(database = self.name, %error, "a test database stays until its server stops");
        }
    }
}

/// The process's server, started by whoever asks first.
async fn server() -> Result<Arc<Server>, Error> {
    blocking(|| {
        let mut server = held(&SERVER);
        if let Some(server) = &*server {
            return Ok(server.clone());
        }
        let started = Server::start(ServerOptions::for_tests())?;
        Ok(server.insert(Arc::new(started)).clone())
    })
    .await
}

async fn clone(server: Arc<Server>, template: String) -> Result<TestDb, Error> {
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
    administer(&server, "making a test database", vec![statement]).await?;
    let url = server.url(&name);
    Ok(TestDb { server, name, url })
}

/// Statements beside the test databases.
async fn administer(
    server: &Arc<Server>,
    action: &'static str,
    statements: Vec<String>,
) -> Result<(), Error> {
    let url = server.url("postgres");
    blocking(move || {
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        sql::execute(&url, action, &statements)
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::State("the async runtime shut down meanwhile")),
        },
    }
}

/// A test that panicked while it held a lock of ours left nothing half done behind it.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As much of a key as a database's name has room for. Keys that are not hexadecimal digests are turned into one.
fn short(key: &str) -> String {
    if key.len() >= 32 && key.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return key[..32].to_owned();
    }
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
