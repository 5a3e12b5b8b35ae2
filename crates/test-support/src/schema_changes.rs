//! Changes of a schema, one a line.

use std::path::Path;

use refit_devdb::TestDb;

/// A copy of a folder's base schema.
pub async fn based(folder: &Path) -> TestDb {
    let sql = std::fs::read_to_string(folder.join("base.sql")).unwrap();
    TestDb::filled(&format!("base {}", folder.display()), async |url: &str| {
        crate::execute_at(url, &sql).await;
        Ok::<(), refit_devdb::Error>(())
    })
    .await
    .unwrap()
}

/// A line of `changes.txt` or `neutral.txt`: `name|SQL`, where `>=15 ` before the name says from which version on it can be.
#[derive(Debug)]
pub struct Case {
    /// Kind and what changes.
    pub name: String,
    /// The statements.
    pub sql: String,
    /// The first major version that knows them.
    pub since: u32,
}

/// The cases of a file, in its order.
pub fn cases(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let case = |line: &str| {
        let (name, sql) = line.split_once('|').unwrap();
        let since = name.strip_prefix(">=").and_then(|name| name.split_once(' '));
        let (since, name) = since.map_or((14, name), |(since, name)| (since.parse().unwrap(), name));
        Case { name: name.to_owned(), sql: sql.to_owned(), since }
    };
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(case).collect()
}

/// Runs a case's SQL in a database.
pub async fn run(db: &TestDb, sql: &str) -> Result<(), String> {
    let client = db.connect().await.unwrap();
    let result = client.batch_execute(&sql.replace("CURRENT", db.name())).await;
    result.map_err(|error| {
        error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
    })
}
