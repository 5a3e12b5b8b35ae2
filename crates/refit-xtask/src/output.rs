//! Output: results on standard output, for people or programs; everything else on standard error.

use std::io::{IsTerminal, Write};

use anyhow::{Context as _, bail};
use refit_model::{redact, visible_line};
use serde::Serialize;

use crate::styled::{Style, Text, text};
use crate::terminal;

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people.
    Human,
    /// One JSON document.
    Json,
    /// Findings as SARIF 2.1.0.
    Sarif,
    /// Findings as annotations in a GitHub workflow.
    Github,
    /// Findings as a GitLab code quality report.
    Gitlab,
    /// Plain text.
    Text,
    /// A schema as a Mermaid diagram; several diagrams as Markdown.
    Mermaid,
    /// One self-contained HTML page.
    Html,
    /// Markdown.
    Markdown,
}

/// The formats that every command supports.
pub(crate) const COMMON: &[Format] = &[Format::Human, Format::Json];

/// A parser for one of the given formats. A command with other formats than [`COMMON`] redeclares the option.
pub(crate) fn one_of(formats: &'static [Format]) -> impl clap::builder::TypedValueParser<Value = Format> {
    use clap::ValueEnum;
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    let values = formats.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(values)
        .map(|name| <Format as ValueEnum>::from_str(&name, false).unwrap_or(Format::Human))
}

/// Standard output and standard error.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

pub(crate) const GOOD: Style = Style::Good;
pub(crate) const WARN: Style = Style::Warn;
pub(crate) const BAD: Style = Style::Bad;
pub(crate) const QUIET: Style = Style::Quiet;

impl Output {
    pub(crate) fn new(format: Format) -> Output {
        Output { format }
    }

    /// Whether the output is text for people or a diagram, not JSON or another report format.
    pub fn human(&self) -> bool {
        matches!(
            self.format,
            Format::Human | Format::Text | Format::Mermaid | Format::Html | Format::Markdown
        )
    }

    /// Prints a result. Control characters in the text are escaped. Colours are removed if standard output is not a terminal or
    /// `NO_COLOR` is set.
    ///
    /// # Errors
    /// When standard output cannot be written, or the value cannot be serialised as JSON.
    pub fn result<T: Serialize>(&self, value: &T, text: impl Into<Text>) -> anyhow::Result<()> {
        match self.human() {
            true => self.print(text),
            false => self.document(
                &serde_json::to_string_pretty(value).context("cannot serialise the result as JSON")?,
            ),
        }
    }

    /// Prints a result that is text in every format.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&self, text: impl Into<Text>) -> anyhow::Result<()> {
        self.write(&terminal::render(&text.into()))
    }

    /// Prints a JSON document without changing its data.
    pub(crate) fn document(&self, document: &str) -> anyhow::Result<()> {
        self.write(&terminal::json(document))
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        unless_closed(writeln!(anstream::stdout().lock(), "{text}"))
    }

    /// Prints a script that a program reads. It is printed as it is unless standard output is a terminal, for which control
    /// characters are escaped.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn script(&self, sql: &str) -> anyhow::Result<()> {
        match (self.human(), std::io::stdout().is_terminal()) {
            (true, true) => self.print(sql),
            // Not by `anstream`, which removes escape sequences, also those in a literal.
            (true, false) => unless_closed(std::io::stdout().lock().write_all(sql.as_bytes())),
            (false, _) => {
                let document = serde_json::to_string_pretty(&serde_json::json!({ "script": sql }))?;
                self.document(&document)
            }
        }
    }

    /// Prints a note on standard error, unless the format is for programs.
    pub fn note(&self, text: impl Into<Text>) {
        if self.human() {
            say(&text.into().or(QUIET));
        }
    }

    /// Prints an error on standard error, and for programs also as a JSON document on standard output.
    pub fn error(&self, error: &anyhow::Error) {
        if !self.human() {
            let document = serde_json::json!({ "error": error_text(error) });
            anstream::println!("{}", terminal::json(&format!("{document:#}")));
        }
        say(&text![BAD.of("error"), ": ", error_text(error)]);
    }

    /// Asks for confirmation. `yes` is the flag that skips the question.
    ///
    /// # Errors
    /// When there is no terminal to ask on, or the answer is no.
    pub fn confirm(&self, question: &str, yes: bool) -> anyhow::Result<()> {
        if yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !self.human() {
            bail!("{question} There is no terminal to confirm on; give --yes");
        }
        let answer = dialoguer::Confirm::new()
            .with_prompt(terminal::plain(&question.into()))
            .default(false)
            .interact();
        if answer.context("cannot read the answer")? { Ok(()) } else { bail!("nothing was changed") }
    }
}

/// The outcome of writing to standard output. A reader may have closed the pipe: `cargo xtask status | head -1`.
fn unless_closed(written: std::io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Prints a line on standard error.
pub(crate) fn say(text: &Text) {
    anstream::eprintln!("{}", terminal::render(text));
}

/// An error with its causes, without repetitions: many errors include their cause's message. The driver's "db error" is
/// replaced by the server's message.
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let server = cause.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
        let message = match server {
            // In the same form as in errors of `refit`, which mostly include it.
            Some(server) => visible_line(&redact::text(server.message())).into_owned(),
            None => cause.to_string(),
        };
        if text.is_empty() {
            text = message;
        } else if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        if server.is_some() {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_not_repeated() {
        let error =
            anyhow!("no space left").context("cannot write a.snap: no space left").context("snapshot");
        assert_eq!(error_text(&error), "snapshot: cannot write a.snap: no space left");
        assert_eq!(error_text(&anyhow!("one").context("two")), "two: one");
    }
}
