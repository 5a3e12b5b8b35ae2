//! The way to speak: results on standard output for people or machines, everything else on standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use anyhow::{Context as _, bail};
use refit_model::{redact, visible_line};
use serde::Serialize;

use crate::terminal::{self, Paint};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For machines: one JSON document.
    Json,
    /// Findings as SARIF 2.1.0.
    Sarif,
    /// Findings as annotations of a GitHub workflow.
    Github,
    /// Findings as a GitLab code quality report.
    Gitlab,
    /// A schema as text.
    Text,
    /// A schema as a Mermaid diagram; several are blocks of a Markdown text.
    Mermaid,
    /// A schema as one HTML page that needs nothing else.
    Html,
}

/// The formats that every command has.
pub(crate) const COMMON: &[Format] = &[Format::Human, Format::Json];

/// Reads one of some formats. A command that has others than [`COMMON`] declares the option again.
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

pub(crate) const GOOD: Paint = Paint::Good;
pub(crate) const WAITS: Paint = Paint::Waits;
pub(crate) const BAD: Paint = Paint::Bad;
pub(crate) const QUIET: Paint = Paint::Quiet;

impl Output {
    pub(crate) fn new(format: Format) -> Output {
        Output { format }
    }

    /// Whether people read this, or a file is made that is no document of ours.
    pub fn human(&self) -> bool {
        matches!(self.format, Format::Human | Format::Text | Format::Mermaid | Format::Html)
    }

    /// Prints a result. Control characters in the text are escaped; colours of our own are dropped when standard output is no terminal, or `NO_COLOR` is set.
    ///
    /// # Errors
    /// When standard output cannot be written, or the value is no JSON.
    pub fn result<T: Serialize>(&self, value: &T, text: impl Display) -> anyhow::Result<()> {
        match self.human() {
            true => self.print(text),
            false => self.document(&serde_json::to_string_pretty(value).context("the result is no JSON")?),
        }
    }

    /// Prints a result that is a text in every format.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&self, text: impl Display) -> anyhow::Result<()> {
        self.write(&terminal::render(&text.to_string()))
    }

    /// Prints what a library has drawn with escape sequences, after it made its input harmless.
    pub(crate) fn print_drawn(&self, text: &str) -> anyhow::Result<()> {
        self.write(&terminal::render_drawn(text))
    }

    /// Prints a JSON document: exactly its data.
    pub(crate) fn document(&self, document: &str) -> anyhow::Result<()> {
        self.write(&terminal::json(document))
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        match writeln!(anstream::stdout().lock(), "{text}") {
            // Whoever read us has seen enough: `cargo xtask status | head -1`.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("standard output cannot be written"),
        }
    }

    /// Says something in passing, on standard error; for people only.
    pub fn note(&self, text: impl Display) {
        if self.human() {
            say(&format!("{QUIET}{text}{QUIET:#}"));
        }
    }

    /// Prints an error: on standard error, and for machines also as the JSON document.
    pub fn error(&self, error: &anyhow::Error) {
        if !self.human() {
            let document = serde_json::json!({ "error": told(error) });
            anstream::println!("{}", terminal::json(&format!("{document:#}")));
        }
        say(&format!("{BAD}error{BAD:#}: {}", told(error)));
    }

    /// Asks before something that cannot be undone. `yes` is the flag that answers beforehand.
    ///
    /// # Errors
    /// When nobody is there to answer, or the answer is no.
    pub fn confirm(&self, question: &str, yes: bool) -> anyhow::Result<()> {
        if yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !self.human() {
            bail!("{question} Nobody is here to answer; give --yes");
        }
        let answer =
            dialoguer::Confirm::new().with_prompt(terminal::plain(question)).default(false).interact();
        if answer.context("the answer cannot be read")? { Ok(()) } else { bail!("nothing was changed") }
    }
}

/// Writes a line on standard error, with its marks as colours.
pub(crate) fn say(text: &str) {
    anstream::eprintln!("{}", terminal::render(text));
}

/// An error with its causes, each said once: many say the next one's words themselves. The driver's are "db error"; what the
/// server said stands for them.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let server = cause.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
        let words = match server {
            // As the errors of the library say it, which mostly have it in their own words.
            Some(server) => visible_line(&redact::text(server.message())).into_owned(),
            None => cause.to_string(),
        };
        if text.is_empty() {
            text = words;
        } else if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
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
    fn a_cause_is_said_once() {
        let error =
            anyhow!("no space left").context("cannot write a.snap: no space left").context("snapshot");
        assert_eq!(told(&error), "snapshot: cannot write a.snap: no space left");
        assert_eq!(told(&anyhow!("one").context("two")), "two: one");
    }
}
