//! Steps as files: numbered migrations, each with its down file, check and description.

use refit_catalog::Catalog;
use refit_lint::DOC_SECTIONS;
use refit_lint::sequence::{
    Original, Parts, Runs, SequenceFile, Step as SqlStep, layouts, numbered, with_directive,
};
use refit_model::{Directives, Version, split_statements};

use crate::arguments::Arguments;
use crate::builder::Builder;
use crate::checked::check;
use crate::problem::Problem;
use crate::recipe::{Recipe, find};
use crate::step::{Step, Text};

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The recipe's name.
    pub recipe: &'a str,
    /// The name of the first migration; those of later ones begin with it.
    pub name: &'a str,
    /// The options.
    pub arguments: &'a Arguments,
    /// The oldest PostgreSQL major version in use; 14 if it is not known.
    pub postgres: Option<u32>,
    /// The schema that the change applies to.
    pub catalog: Option<&'a Catalog>,
    /// The first version.
    pub first: Version,
    /// The digits of versions in file names.
    pub width: usize,
}

impl<'a> Request<'a> {
    /// A request for an empty folder, without a snapshot.
    pub fn new(recipe: &'a str, name: &'a str, arguments: &'a Arguments) -> Request<'a> {
        Request { recipe, name, arguments, postgres: None, catalog: None, first: 1, width: 4 }
    }
}

/// A file that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The files of a recipe, in order: those of each migration together.
///
/// # Errors
///
/// If an argument is missing, unknown or unusable, or names something that the schema does not have.
pub fn write(request: &Request<'_>) -> Result<Vec<NewFile>, Problem> {
    let recipe = find(request.recipe)?;
    request.arguments.check(recipe)?;
    let postgres = request.postgres.unwrap_or(14);
    let mut builder = Builder::new(request.arguments, request.catalog, postgres);
    (recipe.build)(&mut builder)?;
    if let Some(first) = builder.steps.first_mut() {
        first.title = "";
    }
    let mut gated = false;
    let mut sequence = Vec::new();
    for step in &builder.steps {
        let waits = gated;
        gated |= step.manual || matches!(step.runs, Runs::Backfill(_));
        sequence.push(SequenceFile { gated: waits, ..migration(request.name, step)? });
    }
    let sequence = numbered(request.first, request.width, &sequence).map_err(Problem::new)?;
    let stems: Vec<String> =
        sequence.iter().map(|file| file.file_name().trim_end_matches(".sql").to_owned()).collect();
    let mut files = Vec::new();
    for (at, (file, step)) in sequence.into_iter().zip(&builder.steps).enumerate() {
        let stem = &stems[at];
        let mut push = |suffix: &str, text: String| {
            if !text.is_empty() {
                files.push(NewFile { name: format!("{stem}{suffix}"), text });
            }
        };
        push(".sql", file.text);
        push(".down.sql", down(done(&step.down)));
        push(".check.sql", ended(done(&step.check)));
        push(".md", description(recipe, &builder, &stems, at, request.name));
    }
    check(&files, postgres)?;
    Ok(files)
}

fn done(text: &Text) -> &str {
    match text {
        Text::Template(text) => text,
        Text::Done(text) => text,
    }
}

/// The migration of a step, without its version.
fn migration(name: &str, step: &Step) -> Result<SequenceFile, Problem> {
    let mut front = with_directive("", "phase", &format!("\"{}\"", step.phase.as_str()));
    if step.manual {
        front = with_directive(&front, "manual", "true");
    }
    if step.lock_timeout {
        front = with_directive(&front, "lock_timeout", "\"500ms\"");
    }
    let mut parts = Parts::of_new_file(front);
    if let Some(piece) = parts.pieces.first_mut() {
        piece.above = comment(done(&step.why));
    }
    let sql = SqlStep { runs: step.runs.clone(), sql: statements(done(&step.up)), title: name.to_owned() };
    let directives = Directives { transaction: true, ..Directives::default() };
    let layout = layouts(&Original::new(name, &parts, &directives), &[sql]).map_err(Problem::new)?;
    let file = layout.into_iter().flatten().next();
    let file = file.ok_or_else(|| Problem::new(format!("the step {} has no statement", step.title)))?;
    Ok(SequenceFile { name: file_name(name, step.title), ..file })
}

fn file_name(name: &str, title: &str) -> String {
    match title {
        "" => name.to_owned(),
        title => format!("{name}_{title}"),
    }
}

/// The statements of a text, each with the comments and the blank line above it, without semicolons.
fn statements(text: &str) -> Vec<String> {
    let mut from = 0;
    let mut statements = Vec::new();
    for statement in split_statements(text) {
        let end = statement.offset + statement.text.len();
        let piece = text.get(from..end).unwrap_or(statement.text).trim_start_matches(';');
        let blank = if !statements.is_empty() && piece.starts_with("\n\n") { "\n" } else { "" };
        statements.push(format!("{blank}{}", piece.trim_start_matches(['\n', ' '])));
        from = end;
    }
    statements
}

/// A text as comments of at most 120 characters a line.
fn comment(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < 116 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().filter(|line| !line.is_empty()).map(|line| format!("-- {line}\n")).collect()
}

fn down(text: &str) -> String {
    match text.contains("CONCURRENTLY") {
        true => with_directive("", "transaction", "false") + &ended(text),
        false => ended(text),
    }
}

fn ended(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!("{text}\n"),
    }
}

/// The `.md` file of a step.
fn description(recipe: &Recipe, builder: &Builder<'_>, stems: &[String], at: usize, name: &str) -> String {
    let step = &builder.steps[at];
    let mut text = format!("# {}\n", file_name(name, step.title).replace('_', " "));
    if stems.len() > 1 {
        text.push_str(&format!(
            "\nStep {} of {} of the recipe `{}`.\n\n| step | migration | releases that may run once it is complete |\n|---|---|---|\n",
            at + 1,
            stems.len(),
            recipe.name
        ));
        for (index, (stem, step)) in stems.iter().zip(&builder.steps).enumerate() {
            text.push_str(&format!("| {} | `{stem}` | {} |\n", index + 1, done(&step.releases)));
        }
    } else {
        text.push_str(&format!("\nWritten by the recipe `{}`.\n", recipe.name));
    }
    for (section, _) in DOC_SECTIONS {
        let content = match section {
            "Purpose" => purpose(builder, step),
            "Risk" => risk(step, stems.len()),
            "Runtime" => runtime(step).to_owned(),
            "Verification" => verification(step).to_owned(),
            _ => rollback(step),
        };
        text.push_str(&format!("\n## {section}\n\n{content}\n"));
    }
    text
}

fn purpose(builder: &Builder<'_>, step: &Step) -> String {
    let mut text = format!("{}\n\nThis step: {}", builder.purpose, done(&step.why));
    for note in &builder.notes {
        text.push_str(&format!("\n\n{note}"));
    }
    text
}

fn risk(step: &Step, steps: usize) -> String {
    let mut text = done(&step.risk).to_owned();
    if steps == 1 {
        text.push_str(&format!("\n\nReleases that may run once it is complete: {}", done(&step.releases)));
    }
    if step.manual {
        text.push_str(
            "\n\nIt runs only when it is named (`cargo xtask migrate --include`): only you know when no older release runs.",
        );
    }
    text
}

fn runtime(step: &Step) -> &'static str {
    match &step.runs {
        Runs::Backfill(_) => {
            "It depends on the number of rows: `cargo xtask backfill run --dry-run` estimates it. The service serves meanwhile."
        }
        Runs::Alone => "It depends on the size of the table: a few seconds for a million rows.",
        _ if step.lock_timeout => "A moment, whatever the size of the table.\n\nExpected duration: 1s",
        _ => "It depends on the size of the table: about a second for a million rows.",
    }
}

fn verification(step: &Step) -> &'static str {
    match (&step.runs, done(&step.check).is_empty()) {
        (Runs::Backfill(_), false) => {
            "`cargo xtask backfill status` shows its progress; its check finds rows that are left."
        }
        (Runs::Backfill(_), true) => {
            "`cargo xtask backfill status` shows its progress, and rows that are left."
        }
        (_, false) => "Its check: `cargo xtask check`.",
        (_, true) => "It succeeds or fails as a whole; there is nothing else to look at.",
    }
}

fn rollback(step: &Step) -> String {
    let text = done(&step.rollback);
    match (text.is_empty(), done(&step.down).is_empty()) {
        (false, _) => text.to_owned(),
        (true, false) => "Its down file undoes it; nothing is lost.".to_owned(),
        (true, true) => "The undo journal of the backfill restores the earlier values.".to_owned(),
    }
}
