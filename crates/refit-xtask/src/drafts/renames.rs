//! Whether something was renamed: given by flags, or asked on a terminal, never guessed.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use anyhow::{Context as _, bail};
use refit::Connection;
use refit_catalog::{Catalog, ReadOptions};
use refit_drafts::{Rename, candidates};

use super::DraftArgs;
use crate::context::Context;

/// Renames what was renamed on the private server, and returns it.
///
/// # Errors
/// When a flag names nothing that could have been renamed, or it is not known what happened to something.
pub(super) async fn decide(
    client: &Connection,
    before: &Catalog,
    after: &Catalog,
    args: &DraftArgs,
    read: &ReadOptions,
    context: &Context,
) -> anyhow::Result<Vec<Rename>> {
    let mut given = Vec::new();
    for renamed in &args.renamed {
        let Some((old, new)) = renamed.split_once('=') else {
            bail!("--renamed is written OLD=NEW, as in public.posts.title=headline; it was `{renamed}`");
        };
        given.push((old.to_owned(), new.to_owned()));
    }
    if let Some(old) = args.dropped.iter().find(|old| !is_gone(before, after, old)) {
        bail!("--dropped {old}: there is no table or column {old} that is gone");
    }
    let mut dropped: BTreeSet<String> = args.dropped.iter().cloned().collect();
    let (mut done, mut used) = (Vec::new(), BTreeSet::new());
    let mut now = before.clone();
    loop {
        let open: Vec<Rename> = candidates(&now, after)
            .into_iter()
            .filter(|one| !dropped.iter().any(|old| is_called(one, old)))
            .collect();
        let Some(first) = open.first() else { break };
        let choices: Vec<&Rename> = open.iter().filter(|one| one.before() == first.before()).collect();
        let named = choices.iter().find_map(|one| {
            let place = given.iter().position(|(old, new)| is_called(one, old) && is_new(one, new))?;
            Some(((*one).clone(), place))
        });
        let chosen = match named {
            Some((rename, place)) => {
                used.insert(place);
                Some(rename)
            }
            None => ask(&choices, context)?,
        };
        let Some(rename) = chosen else {
            dropped.insert(first.before());
            continue;
        };
        for statement in rename.statements() {
            client
                .batch_execute(&statement.sql)
                .await
                .with_context(|| format!("cannot rename {}", rename.before()))?;
        }
        done.push(rename);
        now = Catalog::read(client, read).await?;
    }
    if let Some((old, new)) =
        given.iter().enumerate().find(|(place, _)| !used.contains(place)).map(|(_, one)| one)
    {
        bail!("--renamed {old}={new}: no table or column {old} is gone of which {new} could be the new name");
    }
    Ok(done)
}

/// Whether a table or column was there before, and is not after.
fn is_gone(before: &Catalog, after: &Catalog, old: &str) -> bool {
    before.tables.iter().any(|(name, table)| {
        let now = after.tables.get(name);
        let is_there = |column: &str| now.is_some_and(|now| now.columns.iter().any(|one| one.name == column));
        let mut columns = table.columns.iter().filter(|column| !is_there(&column.name));
        (now.is_none() && names(name, old))
            || columns.any(|column| names(&format!("{name}.{}", column.name), old))
    })
}

/// Whether a rename is of what a flag names.
fn is_called(rename: &Rename, old: &str) -> bool {
    names(&rename.before(), old)
}

/// Whether a flag names an object; its schema may be left out if it is `public`.
fn names(name: &str, given: &str) -> bool {
    name == given || name.strip_prefix("public.") == Some(given)
}

/// A table's new name may be without its schema.
fn is_new(rename: &Rename, new: &str) -> bool {
    let to = &rename.to;
    let schema = rename.from.rsplit_once('.').map(|(schema, _)| schema);
    to == new || (rename.of.is_none() && schema.is_some_and(|schema| *to == format!("{schema}.{new}")))
}

fn ask(choices: &[&Rename], context: &Context) -> anyhow::Result<Option<Rename>> {
    let Some(first) = choices.first() else { return Ok(None) };
    let before = first.before();
    if !std::io::stdin().is_terminal() || !context.out.human() {
        let flags: Vec<String> = choices.iter().map(|one| format!("--renamed {before}={}", one.to)).collect();
        bail!(
            "{before} is gone, and may have been renamed; give {}, or --dropped {before}",
            flags.join(" or ")
        );
    }
    let renamed = choices.iter().map(|one| format!("it was renamed to {}", one.to));
    let items: Vec<String> = renamed.chain(["it was dropped".to_owned()]).collect();
    let answer = dialoguer::Select::new()
        .with_prompt(refit_model::visible_line(&format!("{before} is gone")).into_owned())
        .items(&items)
        .default(0)
        .interact()
        .context("cannot read the answer")?;
    Ok(choices.get(answer).map(|one| (*one).clone()))
}
