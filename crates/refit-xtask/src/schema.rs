//! Schemas from anywhere: of a set of migrations, which run on a private server, of a database, a file, a folder or a git revision.

use std::path::Path;

use anyhow::{Context as _, bail};
use refit::Target;
use refit_catalog::{Catalog, ReadOptions, Snapshot};
use refit_model::MigrationSet;
use refit_rehearsal::{RehearsalServer, SNAPSHOTS, Snapshots, snapshots};

use crate::context::Context;
use crate::database::{rehearsal_server, with_schema};
use crate::git::Git;

/// One side of a comparison: a schema and its name.
pub(crate) struct Side {
    /// The name for people, without credentials.
    pub(crate) name: String,
    /// The schema as text.
    pub(crate) text: String,
    /// The schema's model; none for a .snap file.
    pub(crate) catalog: Option<Catalog>,
}

impl Side {
    fn of(name: impl Into<String>, catalog: Catalog) -> Side {
        Side { name: name.into(), text: catalog.text(), catalog: Some(catalog) }
    }
}

/// Runs a set on a private server and reads the schemas.
pub(crate) async fn make(
    set: &MigrationSet,
    read: &ReadOptions,
    context: &Context,
) -> anyhow::Result<Snapshots> {
    make_on(&rehearsal_server().await?, set, read, context).await
}

/// The same on a server that is already there, whose database is new.
pub(crate) async fn make_on(
    server: &RehearsalServer,
    set: &MigrationSet,
    read: &ReadOptions,
    context: &Context,
) -> anyhow::Result<Snapshots> {
    let set = &context.with_values(set)?;
    let count = match set.migrations().len() + set.repeatables().len() {
        1 => "1 migration".to_owned(),
        count => format!("{count} migrations"),
    };
    context.out.note(format_args!("running {count} on a private PostgreSQL {}", server.version()));
    Ok(snapshots(server, set, &context.global.environment, read).await?)
}

/// Reads a side.
///
/// # Errors
/// When the argument is none of these, or cannot be read.
pub(crate) async fn read(given: &str, read: &ReadOptions, context: &Context) -> anyhow::Result<Side> {
    if given.starts_with("postgres://") || given.starts_with("postgresql://") {
        return database(given, read).await;
    }
    if let Some(revision) = given.strip_prefix("git:") {
        return of_revision(revision, read, context).await;
    }
    let path = Path::new(given);
    if path.is_dir() {
        let made = make(&MigrationSet::from_dir(path)?, read, context).await?;
        return Ok(Side::of(given, made.snapshot.catalog));
    }
    if path.exists() {
        return file(given, path);
    }
    of_revision(given, read, context).await.with_context(|| {
        format!(
            "`{given}` is not a database URL, an existing file or folder, or a revision of this repository"
        )
    })
}

async fn database(url: &str, read: &ReadOptions) -> anyhow::Result<Side> {
    let name = Target::parse(url).map_or_else(|_| "the database".to_owned(), |target| target.address());
    with_schema(url, read, |catalog| Side::of(name, catalog)).await
}

fn file(given: &str, path: &Path) -> anyhow::Result<Side> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {given}"))?;
    let text =
        String::from_utf8(bytes).with_context(|| format!("{given} is not UTF-8"))?.replace("\r\n", "\n");
    if text.trim_start().starts_with('{') {
        let catalog = document(&text).with_context(|| format!("{given} is not a schema"))?;
        return Ok(Side::of(given, catalog));
    }
    let Some((_, body)) = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")) else {
        bail!("{given} is neither schema.json nor a .snap file; `cargo xtask snapshot` writes both");
    };
    Ok(Side { name: given.to_owned(), text: body.to_owned(), catalog: None })
}

/// Parses the JSON of a set's or a database's schema.
fn document(json: &str) -> Result<Catalog, refit_catalog::Error> {
    Snapshot::from_json(json).map(|snapshot| snapshot.catalog).or_else(|_| Catalog::from_json(json))
}

/// The migrations folder at a revision. Its snapshot is used if it matches the migrations; otherwise they run.
async fn of_revision(revision: &str, read: &ReadOptions, context: &Context) -> anyhow::Result<Side> {
    let folder = context.migrations_dir();
    let git = Git::at(&folder, "--diff with a revision")?;
    let commit = format!("{revision}^{{commit}}");
    let commit = git.read(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]);
    let commit = commit.ok().with_context(|| format!("no such revision: `{revision}`"))?;
    let path = git.path_of(&folder).context("the migrations folder is outside the repository")?;
    let files = git.files_below(commit.trim(), &path)?;
    let name = format!("{revision}:{path}");
    if files.is_empty() {
        bail!("there is no folder {path} in {revision}");
    }
    let kept = files.iter().find(|file| file.path == format!("{SNAPSHOTS}/schema.json"));
    let kept = kept.and_then(|file| Snapshot::from_json(std::str::from_utf8(&file.bytes).ok()?).ok());
    let set = MigrationSet::from_files(&name, files)?;
    let environment = &context.global.environment;
    match kept {
        Some(Snapshot { origin, catalog })
            if origin.digest == set.digest() && origin.environment == *environment =>
        {
            Ok(Side::of(name, catalog))
        }
        _ => Ok(Side::of(name, make(&set, read, context).await?.snapshot.catalog)),
    }
}
