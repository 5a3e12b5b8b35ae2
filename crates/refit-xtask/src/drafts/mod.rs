//! Drafts: the migration that leads from the set to the schema of a database, or to a declared one.
//!
//! The set runs on a private server, where the drafted statements are tried on made-up rows. What is written is linted and fixed, and
//! then runs, with the set, on another private database, whose schema must be the target's.

mod renames;
mod repeatables;
mod safe;
mod target;

use refit::{ConnectOptions, Connection};
use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_drafts::{Refused, Rename, Statement, Tried, statements, summary, try_out};
use refit_rehearsal::rows::{self, Rows, Survival};
use refit_rehearsal::{File, schema_after};

use self::repeatables::Repeatables;
use crate::context::Context;
use crate::database::rehearsal_server;
use crate::schema;

/// The arguments of a draft.
#[derive(Debug, clap::Args)]
pub(crate) struct DraftArgs {
    /// Draft the migration that leads to the schema of this database, or to the one that a file of SQL declares
    #[arg(long, value_name = "URL|FILE", conflicts_with = "recipe")]
    pub(crate) from: Option<String>,
    /// With --from: a table or column was renamed, as in public.posts.title=headline
    #[arg(long, value_name = "OLD=NEW", requires = "from")]
    renamed: Vec<String>,
    /// With --from: a table or column was dropped, and what looks like its new name is another one
    #[arg(long, value_name = "OLD", requires = "from")]
    dropped: Vec<String>,
}

/// Rows per table on which a draft is tried.
const ROWS: u32 = 200;

/// A draft that has been tried.
#[derive(Default)]
pub(crate) struct Draft {
    /// The changes in one line.
    pub(crate) summary: String,
    /// Names and texts of the files.
    pub(crate) files: Vec<(String, String)>,
    /// What became of the rows of each table.
    pub(crate) survival: Vec<Survival>,
    /// Differences that no file leads to, and statements that the server refused.
    pub(crate) not_drafted: Vec<String>,
    /// Statements that made-up rows do not fit; they were tried again without rows.
    pub(crate) unfit: Vec<String>,
    /// What the down files do not restore.
    pub(crate) not_undone: Vec<String>,
    /// What is left to look at in the files, by the linter.
    pub(crate) findings: Vec<String>,
}

/// Drafts the files; `None` if the schemas are equal.
///
/// # Errors
/// When a schema cannot be read, the set does not run, or it is not known whether something was renamed.
pub(crate) async fn draft(
    name: &str,
    version: &str,
    args: &DraftArgs,
    context: &Context,
) -> anyhow::Result<Option<Draft>> {
    let mut read = ReadOptions::default();
    read.exclude_schemas.push(refit::REHEARSAL_SCHEMA.to_owned());
    let server = rehearsal_server().await?;
    let to = target::read(args.from.as_deref().unwrap_or_default(), &server, &read, context).await?;
    let made = schema::make_on(&server, &context.set()?, &read, context).await?;
    // What repeatable migrations create is theirs, before and after.
    let repeatable = Repeatables::of(&made);
    let (start, to) = (repeatable.without(made.snapshot.catalog), repeatable.without(to));
    let delta = Delta::between(&start, &to);
    if delta.is_empty() {
        return Ok(None);
    }
    let client = connect(&server.url()).await?;
    target::create_roles(&client, &to).await?;
    let renamed = renames::decide(&client, &start, &to, args, &read, context).await?;
    rows::fill(&server.url(), ROWS, &mut rows::Tables::default()).await?;
    let rows = Rows::read(&client).await?;
    let before = repeatable.without(Catalog::read(&client, &read).await?);
    let up = try_out(&client, statements(&before, &to, server.major())).await?;
    let survival = rows.compare(&client).await?;
    let (up, unfit) = without_rows(&client, up).await?;
    let after = repeatable.without(Catalog::read(&client, &read).await?);
    let down = try_out(&client, statements(&after, &before, server.major())).await?;
    let back = repeatable.without(Catalog::read(&client, &read).await?);
    client.close().await;

    let not_drafted = left(&after, &to, &up);
    let not_undone = left(&back, &before, &down);
    let draft =
        Draft { summary: summary(&delta), survival, unfit, not_drafted, not_undone, ..Draft::default() };
    let renames = renamed.iter().flat_map(Rename::statements);
    let all: Vec<Statement> = renames.chain(up.statements).collect();
    if all.is_empty() {
        return Ok(Some(draft));
    }
    let back = renamed.iter().rev().flat_map(|rename| backwards(rename).statements());
    let down: Vec<Statement> = down.statements.into_iter().chain(back).collect();
    let mut files =
        vec![(format!("V{version}__{name}.sql"), text(&format!("-- {}\n\n", draft.summary), &all))];
    if !down.is_empty() {
        files.push((format!("V{version}__{name}.down.sql"), text("", &down)));
    }
    let safe::Safe { files, findings } = safe::fix(files, context)?;
    let proven = prove(&files, &after, &repeatable, context).await?;
    let not_drafted = draft.not_drafted.into_iter().chain(proven).collect();
    Ok(Some(Draft { files, findings, not_drafted, ..draft }))
}

/// Tries what made-up rows do not fit again without rows; also returns what that was.
async fn without_rows(client: &Connection, mut tried: Tried) -> anyhow::Result<(Tried, Vec<String>)> {
    let unfit: Vec<String> =
        tried.failed.iter().filter(|refused| refused.about_rows).map(described).collect();
    if !unfit.is_empty() {
        rows::remove(client).await?;
        let again = tried.failed.into_iter().map(|refused| refused.statement).collect();
        let again = try_out(client, again).await?;
        tried.statements.extend(again.statements);
        tried.failed = again.failed;
    }
    Ok((tried, unfit))
}

/// The differences that are left, and what the server refused if there are any.
fn left(now: &Catalog, to: &Catalog, tried: &Tried) -> Vec<String> {
    let mut left = lines(&Delta::between(now, to));
    if !left.is_empty() {
        left.extend(tried.failed.iter().map(described));
    }
    left
}

fn lines(delta: &Delta) -> Vec<String> {
    delta.text().lines().map(str::to_owned).collect()
}

fn described(refused: &Refused) -> String {
    format!("{}: {}", refused.statement.object, refused.message)
}

fn text(head: &str, statements: &[Statement]) -> String {
    let statements: Vec<String> =
        statements.iter().map(|statement| format!("{};\n", statement.sql)).collect();
    format!("{head}{}", statements.join("\n"))
}

fn backwards(rename: &Rename) -> Rename {
    Rename { of: rename.of.clone(), from: rename.to.clone(), to: rename.from.clone() }
}

/// How the schema that the files lead to differs from the one that the statements led to.
async fn prove(
    files: &[(String, String)],
    expected: &Catalog,
    repeatable: &Repeatables,
    context: &Context,
) -> anyhow::Result<Vec<String>> {
    let set = safe::with_files(files, context)?;
    let server = rehearsal_server().await?;
    let client = connect(&server.url()).await?;
    target::create_roles(&client, expected).await?;
    client.close().await;
    let steps = set.steps_in(&context.global.environment, None);
    let files: Vec<File> = steps.map(|step| File::step(step, false)).collect();
    let proven = repeatable.without(schema_after(&server, &files).await?);
    Ok(lines(&Delta::between(&proven, expected)))
}

async fn connect(url: &str) -> anyhow::Result<Connection> {
    Ok(refit::connect(url, &ConnectOptions::default()).await?)
}
