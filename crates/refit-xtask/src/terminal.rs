//! Text for a terminal or a log: adds Refit's colours and escapes everything else that would affect a terminal, wherever it
//! comes from.
//!
//! Text is formatted with [`Paint`] marks instead of escape sequences. A mark contains a random number per process, so that
//! no query, name or message can contain one. [`render`] turns marks into colours and escapes the rest.

use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use anstyle::{AnsiColor, Style};
use refit_model::{is_invisible_control, visible};

/// A style: `{GOOD}` starts it and `{GOOD:#}` ends it, as with [`anstyle::Style`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Green, for success.
    Good,
    /// Yellow, for waits and warnings.
    Warn,
    /// Red, for errors.
    Bad,
    /// Dimmed, for notes.
    Quiet,
    /// Bold, for headings.
    Bold,
}

const PAINTS: [Paint; 5] = [Paint::Good, Paint::Warn, Paint::Bad, Paint::Quiet, Paint::Bold];

/// The prefix of a mark: the process's random number between noncharacters, which do not occur in valid text.
static MARK: LazyLock<String> =
    LazyLock::new(|| format!("\u{fdd0}{:016x}\u{fdd1}", RandomState::new().hash_one("mark")));

impl Paint {
    fn style(self) -> Style {
        match self {
            Paint::Good => AnsiColor::Green.on_default(),
            Paint::Warn => AnsiColor::Yellow.on_default(),
            Paint::Bad => AnsiColor::Red.on_default().bold(),
            Paint::Quiet => Style::new().dimmed(),
            Paint::Bold => Style::new().bold(),
        }
    }

    fn letter(self) -> char {
        match self {
            Paint::Good => 'g',
            Paint::Warn => 'w',
            Paint::Bad => 'b',
            Paint::Quiet => 'q',
            Paint::Bold => 'h',
        }
    }
}

impl fmt::Display for Paint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&MARK)?;
        f.write_char(if f.alternate() { '/' } else { self.letter() })
    }
}

/// Renders marks as colours and escapes control characters except newline and tab.
pub(crate) fn render(text: &str) -> String {
    render_marks(text, |piece| visible(piece).into_owned())
}

/// Like [`render`], for text from a library that uses escape sequences and escapes its input: escape sequences are kept,
/// other control characters are escaped.
pub(crate) fn render_drawn(text: &str) -> String {
    render_marks(text, |piece| piece.split('\u{1b}').map(visible).collect::<Vec<_>>().join("\u{1b}"))
}

/// Renders the text without colours.
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(&render(text)).to_string()
}

fn render_marks(text: &str, escape: impl Fn(&str) -> String) -> String {
    let mut pieces = text.split(MARK.as_str());
    let mut out = escape(pieces.next().unwrap_or_default());
    for piece in pieces {
        let mut rest = piece.chars();
        let letter = rest.next();
        match PAINTS.iter().find(|paint| Some(paint.letter()) == letter) {
            Some(paint) => {
                let _ = write!(out, "{}", paint.style());
            }
            None => out.push_str("\u{1b}[0m"),
        }
        out.push_str(&escape(rest.as_str()));
    }
    out
}

/// Escapes every control character of a JSON document: the same data, but it cannot affect a terminal.
pub(crate) fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        // Outside strings there is only whitespace and ASCII.
        if is_invisible_control(c) && !matches!(c, '\n' | '\t') {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_become_colours() {
        let untrusted = "\u{1b}[31mred\u{9b}2J\u{202e}\u{fdd0}0000000000000000\u{fdd1}g";
        let text = format!("{}applied{:#} {untrusted}", Paint::Good, Paint::Good);
        assert_eq!(
            render(&text),
            "\u{1b}[32mapplied\u{1b}[0m \\u{1b}[31mred\\u{9b}2J\\u{202e}\\u{fdd0}0000000000000000\\u{fdd1}g"
        );
        assert!(plain(&text).starts_with("applied \\u{1b}[31mred"));
        assert_eq!(render_drawn("\u{1b}[1mx\u{9b}\u{1b}[0m"), "\u{1b}[1mx\\u{9b}\u{1b}[0m");
    }

    #[test]
    fn json_stays_the_same_data() {
        let data = serde_json::json!({ "query": "\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{e0041}\n" });
        let document = json(&data.to_string());
        assert!(document.is_ascii(), "{document}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&document).unwrap(), data);
    }
}
