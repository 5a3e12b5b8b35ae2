//! Makes a checkpoint: the schema that the migrations up to a version make, as one file, proven on a second server.

mod text;

use anyhow::{Context as _, bail};
use refit::REHEARSAL_SCHEMA;
use refit_backup::{TableContent, definitions, table_contents};
use refit_catalog::{Catalog, Delta};
use refit_devdb::{Binaries, Search};
use refit_model::wording::counted;
use refit_model::{Checkpoint, MigrationSet, SetStep, SourceFile, Version, placeholders, read_folder};
use refit_rehearsal::{File, schema_after};

use crate::context::Context;
use crate::database::{connect_options, rehearsal_server};

/// A checkpoint that was proven.
pub(crate) struct Made {
    /// The file name.
    pub(crate) file: String,
    pub(crate) text: String,
    /// The migrations that it replaces.
    pub(crate) squashed: usize,
    /// The tables whose rows it has.
    pub(crate) contents: Vec<TableContent>,
    /// The major version of the server that wrote it.
    pub(crate) postgres: u32,
}

/// Runs the migrations up to `version` on a private server, writes their schema as SQL, runs that on another one, and compares.
///
/// # Errors
/// When a checkpoint cannot contain one of the migrations, rows would be lost, or the schemas differ.
pub(crate) async fn make(
    set: &MigrationSet,
    (version, name): (Version, &str),
    with_rows: bool,
    context: &Context,
) -> anyhow::Result<Made> {
    let Some(last) = set.migration(version) else {
        bail!("there is no version {version} in the migrations folder")
    };
    let file = format!("B{}__{name}.sql", last.label().trim_start_matches('V'));
    let squashed: Vec<&refit_model::Migration> =
        set.migrations().iter().filter(|migration| migration.version <= version).collect();
    refuse_placeholders(&squashed)?;
    let heading = Checkpoint::heading(squashed.iter().copied());
    // What else stands against it does so before a server is started.
    refuse_problems(&file, &format!("{heading}SELECT 1;\n"), context)?;
    let files: Vec<File> =
        squashed.iter().map(|migration| File::step(SetStep::Versioned(migration), false)).collect();
    let original = rehearsal_server().await?;
    context.out.note(format_args!(
        "running {} on a private PostgreSQL {}",
        counted(files.len(), "migration"),
        original.version()
    ));
    let expected = Box::pin(schema_after(&original, &files)).await?;
    let contents = table_contents(&original.url(), &connect_options(), REHEARSAL_SCHEMA).await?;
    if !with_rows && !contents.is_empty() {
        let lines: Vec<String> =
            contents.iter().map(|one| format!("\n  {}: {}", one.table, counted_rows(one.rows))).collect();
        bail!(
            "the migrations insert rows, which a checkpoint does not have:{}\ngive --with-rows to write them into it as they are now",
            lines.concat()
        );
    }
    let folders = Binaries::program_folders(&Search::from_env());
    let dump =
        definitions(&original.url(), &connect_options(), &folders, REHEARSAL_SCHEMA, with_rows).await?;
    let text =
        text::checkpoint(&heading, &text::Facts { last: &last.stem, postgres: original.major() }, &dump);
    let copy = rehearsal_server().await?;
    let checkpoint = [File::new(&*file, &text, false)];
    let found = Box::pin(schema_after(&copy, &checkpoint)).await.context("the checkpoint does not run")?;
    compare(&expected, &found)?;
    let rows = table_contents(&copy.url(), &connect_options(), REHEARSAL_SCHEMA).await?;
    if rows != contents {
        bail!(
            "the rows of the checkpoint differ from those of the migrations; write a migration for them instead"
        );
    }
    if !expected.unknown.is_empty() {
        context
            .out
            .note(format_args!("not compared, for they are not supported: {}", expected.unknown.join(", ")));
    }
    refuse_problems(&file, &text, context)?;
    Ok(Made { file, text, squashed: squashed.len(), contents, postgres: original.major() })
}

/// The rows in words.
pub(crate) fn counted_rows(rows: i64) -> String {
    counted(usize::try_from(rows).unwrap_or_default(), "row")
}

/// A checkpoint has one text, and values of placeholders differ between environments.
fn refuse_placeholders(squashed: &[&refit_model::Migration]) -> anyhow::Result<()> {
    let has_any = |migration: &&&refit_model::Migration| {
        let text = migration.sql.written();
        text.contains("${") && placeholders(&migration.path, text).map_or(true, |found| !found.is_empty())
    };
    match squashed.iter().find(has_any) {
        Some(migration) => bail!(
            "{} has placeholders, whose values a checkpoint cannot have: squash to a version before it",
            migration.path
        ),
        None => Ok(()),
    }
}

/// Refuses a checkpoint with which the folder would not be a valid set.
fn refuse_problems(file: &str, text: &str, context: &Context) -> anyhow::Result<()> {
    let folder = context.migrations_dir();
    let (mut files, _) = read_folder(&folder);
    files.retain(|known| known.path != file);
    files.push(SourceFile::new(file, text.as_bytes().to_vec()));
    MigrationSet::from_files(&folder.display().to_string(), files)?;
    Ok(())
}

fn compare(expected: &Catalog, found: &Catalog) -> anyhow::Result<()> {
    let delta = Delta::between(expected, found);
    match delta.is_empty() {
        true => Ok(()),
        false => bail!(
            "the checkpoint would not make the schema of the migrations:\n{}\nsquash to a version before what differs",
            delta.text().trim_end()
        ),
    }
}
