//! A database per test. All tests of a process share one server: the first test starts it, and its watchdog stops it
//! when the process ends. A set is applied once, to a template from which the databases are cloned.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::OnceCell;

use crate::{Error, Server, ServerOptions, sql};

/// The shared server. A static is never dropped: the watchdog stops the server.
static SERVER: Mutex<Option<Arc<Server>>> = Mutex::new(None);

/// The templates by name. Tests that need the same template at the same time wait for its cell.
static TEMPLATES: Mutex<Option<HashMap<String, Arc<OnceCell<()>>>>> = Mutex::new(None);

static COUNT: AtomicU64 = AtomicU64::new(1);

/// A database on a private server, dropped with the value.
#[derive(Debug)]
pub struct TestDb {
    server: Arc<Server>,
    name: String,
    url: String,
}

impl TestDb {
    /// A database to which the set has been applied. A test needs two lines:
    ///
    /// ```no_run
    /// # async fn test(set: refit_model::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
    /// let db = refit_devdb::TestDb::new(set).await?; // or (&MIGRATIONS)
    /// let client = db.connect().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// The set is applied once per process, including backfills, for the environment `test`, to a template that is keyed
    /// by the set's digest.
    ///
    /// # Errors
    /// As [`TestDb::empty`]; [`Error::Set`] when the set is malformed, [`Error::Migrate`] when applying it fails.
    pub async fn new(source: impl Into<refit::Source>) -> Result<TestDb, Error> {
        let source = source.into();
        let digest = source.set().map_err(|error| Error::Set(Box::new(error)))?.digest();
        let migrate = async |url: &str| {
            // Run backfills inline: no process would finish them in the clones.
            let migrator = refit::Migrator::new(source)
                .environment("test")
                .ignore_profile()
                .backfills(refit::Backfills::Inline);
            migrator.run(url).await.map(drop).map_err(|error| Error::Migrate(Box::new(error)))
        };
        TestDb::filled(&digest, migrate).await
    }

    /// An empty database. The server has [`ServerOptions::for_tests`].
    ///
    /// # Errors
    /// Those of [`Server::start`] for the first database of a process, [`Error::Sql`] when it cannot be created.
    pub async fn empty() -> Result<TestDb, Error> {
        let server = server().await?;
        clone(server, "template1".into()).await
    }

    /// A database cloned from a template that `fill` prepares, once per process and `key`. `fill` receives the template's
    /// URL and must close its connections. Use it for what [`TestDb::new`] does not do: rows that many tests need, or
    /// another tool's migrations.
    ///
    /// # Errors
    /// As [`TestDb::empty`], and what `fill` returns. After a failure, the next test fills the template again.
    pub async fn filled<E: From<Error>>(
        key: &str,
        fill: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) -> Result<TestDb, E> {
        let server = server().await?;
        let template = format!("refit_template_{}", short(key));
        let cell = locked(&TEMPLATES).get_or_insert_default().entry(template.clone()).or_default().clone();
        let make = async || {
            let statements = [
                // A test that was cancelled while filling the template leaves an incomplete one.
                format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)"),
                format!("CREATE DATABASE {template}"),
            ];
            administer(&server, "creating a template", statements.into()).await?;
            fill(&server.url(&template)).await?;
            // Sessions that are still closing would delay the first clones.
            let terminate = format!(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'"
            );
            administer(&server, "closing a template", vec![terminate]).await?;
            Ok::<(), E>(())
        };
        cell.get_or_try_init(make).await?;
        Ok(clone(server, template).await?)
    }

    /// A new connection to the database.
    ///
    /// # Errors
    /// [`Error::Migrate`] with the error of `refit` when connecting fails.
    pub async fn connect(&self) -> Result<refit::Connection, Error> {
        let connected = refit::connect(&self.url, &refit::ConnectOptions::default()).await;
        connected.map_err(|error| Error::Migrate(Box::new(error)))
    }

    /// The database's URL; see [`Server::url`].
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server, shared by all test databases of the process.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = sql::execute(&self.server.url("postgres"), "dropping a test database", &[&drop]) {
            tracing::warn!(database = self.name, %error, "cannot drop a test database; it remains until its server stops");
        }
    }
}

/// The process's server; the first call starts it.
async fn server() -> Result<Arc<Server>, Error> {
    blocking(|| {
        let mut server = locked(&SERVER);
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
    administer(&server, "creating a test database", vec![statement]).await?;
    let url = server.url(&name);
    Ok(TestDb { server, name, url })
}

/// Runs statements in the database `postgres`.
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
            Err(_) => Err(Error::State("the async runtime shut down during the call")),
        },
    }
}

/// Ignores poisoning: a panic while the lock is held leaves the value consistent.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key shortened to fit a database's name: hexadecimal digests are cut, other keys are hashed.
fn short(key: &str) -> String {
    if key.len() >= 32 && key.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return key[..32].to_owned();
    }
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
