//! Options of recipes, and the files that a recipe writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::builder::{PossibleValue, PossibleValuesParser};
use refit_catalog::Snapshot;
use refit_model::Version;
use refit_recipes::{Arguments, OPTIONS, RECIPES, Request};
use refit_rehearsal::SNAPSHOTS;

use crate::context::Context;
use crate::scaffold::Existing;

/// `--recipe`, and the options that recipes take.
#[derive(Debug)]
pub(crate) struct RecipeArgs {
    recipe: Option<String>,
    arguments: Arguments,
    given: Vec<&'static str>,
}

/// A recipe with its options.
#[derive(Debug)]
pub(crate) struct Requested<'a> {
    recipe: &'a str,
    arguments: &'a Arguments,
}

/// Options that take several values.
const MANY: [&str; 4] = ["column", "include", "key", "values"];

impl RecipeArgs {
    /// The recipe, if one was asked for.
    ///
    /// # Errors
    /// When options of recipes were given without one.
    pub(crate) fn requested(&self) -> anyhow::Result<Option<Requested<'_>>> {
        match (&self.recipe, self.given.first()) {
            (Some(recipe), _) => Ok(Some(Requested { recipe, arguments: &self.arguments })),
            (None, Some(option)) => bail!("--{option} is an option of recipes: say which one with --recipe"),
            (None, None) => Ok(None),
        }
    }
}

impl clap::FromArgMatches for RecipeArgs {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<RecipeArgs, clap::Error> {
        let mut arguments = Arguments::default();
        let mut given = Vec::new();
        for opt in &OPTIONS {
            let values: Vec<String> = match opt.value {
                "" if matches.get_flag(opt.name) => vec!["true".to_owned()],
                "" => Vec::new(),
                _ => matches.get_many::<String>(opt.name).unwrap_or_default().cloned().collect(),
            };
            if !values.is_empty() {
                given.push(opt.name);
                arguments.set(opt.name, values);
            }
        }
        Ok(RecipeArgs { recipe: matches.get_one::<String>("recipe").cloned(), arguments, given })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = RecipeArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for RecipeArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let names = RECIPES.iter().map(|recipe| PossibleValue::new(recipe.name).help(recipe.summary()));
        let recipe = clap::Arg::new("recipe")
            .long("recipe")
            .value_name("RECIPE")
            .value_parser(PossibleValuesParser::new(names))
            .help("Write all files of a safe change in several steps; `cargo xtask explain recipe:RECIPE` shows what a recipe does");
        let command = command.arg(recipe).next_help_heading("Options of recipes");
        OPTIONS.iter().fold(command, |command, opt| {
            let arg = clap::Arg::new(opt.name).long(opt.name).help(opt.help);
            command.arg(match opt.value {
                "" => arg.action(clap::ArgAction::SetTrue),
                // A type may have a comma in it.
                value if opt.name == "field" => arg.value_name(value).action(clap::ArgAction::Append),
                value if MANY.contains(&opt.name) => {
                    arg.value_name(value).action(clap::ArgAction::Append).value_delimiter(',')
                }
                value => arg.value_name(value).allow_hyphen_values(true),
            })
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        RecipeArgs::augment_args(command)
    }
}

/// The files of a recipe. Nothing is written yet.
///
/// # Errors
/// When an argument is unusable, the snapshot cannot be read, or a version or name is taken.
pub(crate) fn files_of(
    requested: &Requested<'_>,
    name: &str,
    next: &str,
    existing: &Existing,
    folder: &Path,
    context: &Context,
) -> anyhow::Result<Vec<(String, String)>> {
    let snapshot = snapshot(folder)?;
    if let Some(snapshot) = &snapshot
        && snapshot.origin.version != existing.newest()
    {
        context.out.note(
            "the snapshot is not that of the newest migration; `cargo xtask snapshot` brings it up to date",
        );
    }
    let first: Version = next.parse()?;
    let request = Request {
        postgres: existing.postgres(),
        catalog: snapshot.as_ref().map(|snapshot| &snapshot.catalog),
        first,
        width: next.len(),
        ..Request::new(requested.recipe, name, requested.arguments)
    };
    let files = refit_recipes::write(&request)?;
    let versions: BTreeSet<Version> = files.iter().filter_map(|file| version(&file.name)).collect();
    if !existing.has_room(&versions) {
        bail!(
            "the recipe needs {} versions from {next} on, and not all of them are free in the range of one package",
            versions.len()
        );
    }
    Ok(files.into_iter().map(|file| (file.name, file.text)).collect())
}

fn version(file: &str) -> Option<Version> {
    let digits: String = file.chars().skip(1).take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The snapshot of the folder, if there is one.
fn snapshot(folder: &Path) -> anyhow::Result<Option<Snapshot>> {
    let path = folder.join(SNAPSHOTS).join("schema.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let snapshot = Snapshot::from_json(&text);
    snapshot
        .map(Some)
        .with_context(|| format!("cannot read {}; `cargo xtask snapshot` writes it again", path.display()))
}
