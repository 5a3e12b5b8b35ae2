//! `--trace`: runs the migrations on a private server and compares their effects with the predictions.

use refit_lint::sql::Span;
use refit_lint::{Finding, Input, Outcome, Severity, predict};
use refit_model::{LineIndex, Position};
use refit_rehearsal::{Failure, File, Mismatch, Options, StatementTrace, Trace, mismatches, trace};

use super::insert;
use super::sources::Sources;
use crate::context::Context;
use crate::database::rehearsal_server;

/// The name of the finding for a failed statement. It is not a rule, because only a server can detect it.
const FAILED: &str = "trace-failed";

/// A trace of the reported files.
pub(crate) struct Traced {
    pub(crate) trace: Trace,
    pub(crate) mismatches: Vec<Mismatch>,
}

/// Runs the files on a private server, traces the reported ones, and adds a finding for a statement that fails.
///
/// # Errors
/// When no server can be started, or a query of the trace fails.
pub(crate) async fn run(
    sources: &Sources,
    rows: u32,
    outcome: &mut Outcome,
    context: &Context,
) -> anyhow::Result<Traced> {
    let (inputs, skipped) = runnable(sources, &context.global.environment);
    let by_folder = inputs.iter().all(|input| input.named_by_folder);
    let file =
        |input: &Input| File::with_text(&input.path, input.with_values(&sources.config), input.reported);
    let files: Vec<File> = inputs.iter().map(file).collect();
    let server = rehearsal_server().await?;
    context.out.note(format_args!("tracing on a private PostgreSQL {}", server.version()));
    // An explicit file may be a dump, which begins and ends its own transactions.
    let options = Options { rows, transaction_control: !by_folder, ..Options::default() };
    let mut trace = trace(&server.url(), &files, &options).await?;
    trace.skipped.splice(0..0, skipped);
    let sent: Vec<Input> = inputs.iter().map(|input| sources.sent(input)).collect();
    let mismatches = mismatches(&trace, &predict(&sent, server.major()));
    if let Some(failed) = trace.failure() {
        add_failure(failed, &inputs, sources, outcome);
    }
    Ok(Traced { trace, mismatches })
}

/// The files to run, and the reported files that are skipped, with the reason.
fn runnable(sources: &Sources, environment: &str) -> (Vec<Input>, Vec<(String, String)>) {
    let (mut inputs, mut skipped) = (Vec::new(), Vec::new());
    let folder = sources.config.folder.as_str();
    for input in &sources.inputs {
        let name =
            input.path.strip_prefix(folder).map_or(input.path.as_str(), |name| name.trim_start_matches('/'));
        let is_sql = input.path.to_lowercase().ends_with(".sql");
        let why = match () {
            () if !input.named_by_folder => None,
            () if refit_rehearsal::runs(name) => {
                let directives = File::new(name, &input.text(), false).directives;
                let elsewhere = !directives.runs_in(environment);
                elsewhere.then(|| format!("it runs only in {}", directives.environments.join(", ")))
            }
            () if is_sql && refit_model::FileKind::of(name).is_err() => {
                Some("its name is not a migration's".to_owned())
            }
            () => continue,
        };
        match why {
            None => inputs.push(input.clone()),
            Some(why) if input.reported => skipped.push((input.path.clone(), why)),
            Some(_) => {}
        }
    }
    (inputs, skipped)
}

/// Adds a finding for a failed statement, so that all formats report it.
fn add_failure(failed: &StatementTrace, inputs: &[Input], sources: &Sources, outcome: &mut Outcome) {
    let Some(failure) = &failed.failure else { return };
    let text = inputs.iter().find(|input| input.path == failed.path).map(Input::text).unwrap_or_default();
    let index = LineIndex::new(&text);
    let start = byte_of(&text, &index, failure, failed.start);
    let end = failed.end.max(start);
    let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    let span = Span { start: offset(start), end: offset(end) };
    let message = failure_text(failure);
    let finding = Finding::new(FAILED, Severity::Error, &failed.path, span, &index, message)
        .with_help(failure_help(failure));
    insert(finding, sources, outcome);
}

/// The offset of the server's error position, if it is within the statement, else of the statement.
fn byte_of(text: &str, index: &LineIndex<'_>, failure: &Failure, statement: usize) -> usize {
    let line = index.line_start(failure.line);
    let column = text.get(line..).and_then(|rest| rest.char_indices().nth(failure.column.saturating_sub(1)));
    column.map_or(statement, |(byte, _)| line + byte).max(statement)
}

fn failure_text(failure: &Failure) -> String {
    match &failure.sqlstate {
        Some(code) => format!("this fails on the server: {code} {}", failure.message),
        None => format!("this fails: {}", failure.message),
    }
}

fn failure_help(failure: &Failure) -> String {
    let lines: Vec<&str> =
        [&failure.detail, &failure.hint].into_iter().flatten().map(String::as_str).collect();
    lines.join("\n")
}

impl Traced {
    /// The mismatches of a statement.
    pub(crate) fn mismatches_of(&self, statement: &StatementTrace) -> impl Iterator<Item = &Mismatch> {
        self.mismatches
            .iter()
            .filter(move |one| one.path == statement.path && one.statement == statement.statement)
    }

    /// The position of a statement.
    pub(crate) fn place(statement: &StatementTrace) -> Position {
        Position { line: statement.line, column: statement.column }
    }
}
