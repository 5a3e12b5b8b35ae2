//! A set's schema as stored with the migrations, and the differences of a database from it.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{Catalog, Change, Database, Delta, Error, FORMAT, ReadOptions, Verb};

/// The schema that a set of migrations creates, with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The origin of the snapshot.
    pub origin: Origin,
    /// The schema.
    pub catalog: Catalog,
}

/// The origin of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The set's digest, over every text that was run.
    pub digest: String,
    /// The environment whose migrations ran.
    pub environment: String,
    /// The newest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// The server's major version, such as 15.
    pub postgres: u32,
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    set: &'a Origin,
    digest: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unseen: &'a [String],
    catalog: &'a Catalog,
}

impl Snapshot {
    /// As a JSON document: that of [`Catalog::to_json`], with the origin under `set`.
    pub fn to_json(&self) -> String {
        let Snapshot { origin, catalog } = self;
        let document = Document {
            format: FORMAT,
            set: origin,
            digest: catalog.digest(),
            unseen: &catalog.unseen,
            catalog,
        };
        // Maps of strings to plain data always serialize.
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }

    /// Reads a document that [`Snapshot::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::Document`] as for [`Catalog::from_json`], and if the origin is missing.
    pub fn from_json(json: &str) -> Result<Snapshot, Error> {
        let document = |error: serde_json::Error| Error::Document(error.to_string());
        let mut value: serde_json::Value = serde_json::from_str(json).map_err(document)?;
        let Some(set) = value.as_object_mut().and_then(|object| object.remove("set")) else {
            return Err(Error::Document("`set` is missing".into()));
        };
        let origin = serde_json::from_value(set).map_err(document)?;
        Ok(Snapshot { origin, catalog: Catalog::from_value(value)? })
    }
}

/// The differences of a database from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// From the snapshot to the database: added objects are only in the database.
    pub delta: Delta,
    /// Differences that are not counted: queries of views and rules if the server's version is not the snapshot's,
    /// because each version writes them differently; settings of the database itself if no migration sets any, because
    /// they belong to its operator; and options of user mappings that the role may not see.
    pub not_counted: Vec<Change>,
    /// The server's major version.
    pub postgres: u32,
}

impl Drift {
    /// How to read a database for a comparison: as for a snapshot, without the history tables of other migration tools.
    pub fn options() -> ReadOptions {
        let mut options = ReadOptions::default();
        let others = ["_sqlx_migrations", "__diesel_schema_migrations", "flyway_schema_history"];
        options.exclude_tables.extend(others.map(str::to_owned));
        options
    }

    /// Reads a database and compares.
    ///
    /// # Errors
    ///
    /// See [`Catalog::read`].
    pub async fn read(client: &Client, snapshot: &Snapshot, options: &ReadOptions) -> Result<Drift, Error> {
        let postgres = major(client).await?;
        let live = Catalog::read(client, options).await?;
        Ok(Drift::between(snapshot, &live, postgres))
    }

    /// Compares with the catalog of a server of a major version.
    pub fn between(snapshot: &Snapshot, live: &Catalog, postgres: u32) -> Drift {
        let mut delta = Delta::between(&snapshot.catalog, live);
        let other_words = postgres != snapshot.origin.postgres;
        let operators = snapshot.catalog.database == Database::default();
        let unseen = !live.unseen.is_empty();
        let aside = |change: &Change| {
            other_words && is_worded_by_server(change)
                || operators && change.kind == "database"
                || unseen && change.kind == "user mapping" && change.verb == Verb::Changed
        };
        let (not_counted, changes) = delta.changes.into_iter().partition(aside);
        delta.changes = changes;
        Drift { delta, not_counted, postgres }
    }

    /// Whether the database matches the snapshot, apart from differences that are not counted.
    pub fn is_none(&self) -> bool {
        self.delta.is_empty()
    }
}

async fn major(client: &Client) -> Result<u32, Error> {
    let answer = client.simple_query("SHOW server_version_num").await;
    let rows = answer.map_err(|source| Error::Server { what: "the server's version", source })?;
    let number = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).and_then(|number| number.parse::<u32>().ok()),
        _ => None,
    });
    Ok(number.unwrap_or_default() / 10_000)
}

/// Whether a difference may only be in the deparsed text, which depends on the server's version.
fn is_worded_by_server(change: &Change) -> bool {
    let query = change.kind.ends_with("view") || change.kind == "rule";
    query && change.verb == Verb::Changed && change.field.as_deref() == Some("definition")
}

/// The future that [`differences`] returns.
pub type Differences<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<String>, Box<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// The differences of a database from a snapshot's JSON, one per line. `refit::Migrator::drift` takes this function for
/// the comparison at boot; the two crates have no other connection.
pub fn differences<'a>(client: &'a Client, snapshot: &'a str) -> Differences<'a> {
    Box::pin(async move {
        let snapshot = Snapshot::from_json(snapshot)?;
        let drift = Drift::read(client, &snapshot, &Drift::options()).await?;
        Ok(drift.delta.changes.iter().map(Change::line).collect())
    })
}
