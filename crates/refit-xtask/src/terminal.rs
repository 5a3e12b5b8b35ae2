//! Text on its way to a terminal or a log: Refit's own colours are made there, and everything else that would act on a
//! terminal is escaped, wherever it came from.
//!
//! A text is formatted with [`Paint`] marks instead of escape sequences. A mark carries a number that is drawn for each
//! process, so that no query, name or message can hold one. [`render`] turns marks into colours and escapes the rest.

use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use anstyle::{AnsiColor, Style};
use refit_model::{is_invisible_control, visible};

/// A style for what follows: `{GOOD}` begins it and `{GOOD:#}` ends it, as with [`anstyle::Style`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Green, for what is done.
    Good,
    /// Yellow, for what waits.
    Waits,
    /// Red, for what is wrong.
    Bad,
    /// Dimmed, for what is said in passing.
    Quiet,
    /// Bold, for headings.
    Bold,
}

const PAINTS: [Paint; 5] = [Paint::Good, Paint::Waits, Paint::Bad, Paint::Quiet, Paint::Bold];

/// What a mark begins with: the process's number between noncharacters, which no text is meant to hold.
static MARK: LazyLock<String> =
    LazyLock::new(|| format!("\u{fdd0}{:016x}\u{fdd1}", RandomState::new().hash_one("mark")));

impl Paint {
    fn style(self) -> Style {
        match self {
            Paint::Good => AnsiColor::Green.on_default(),
            Paint::Waits => AnsiColor::Yellow.on_default(),
            Paint::Bad => AnsiColor::Red.on_default().bold(),
            Paint::Quiet => Style::new().dimmed(),
            Paint::Bold => Style::new().bold(),
        }
    }

    fn letter(self) -> char {
        match self {
            Paint::Good => 'g',
            Paint::Waits => 'w',
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

/// The text with its marks as colours; control characters but newline and tab are escaped.
pub(crate) fn render(text: &str) -> String {
    resolved(text, |piece| visible(piece).into_owned())
}

/// The same for a text that was drawn with escape sequences by a library which lets none of its input's through: those are
/// kept, and what else would act is escaped.
pub(crate) fn render_drawn(text: &str) -> String {
    resolved(text, |piece| piece.split('\u{1b}').map(visible).collect::<Vec<_>>().join("\u{1b}"))
}

/// The text without colours, for where there are none.
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(&render(text)).to_string()
}

fn resolved(text: &str, shown: impl Fn(&str) -> String) -> String {
    let mut pieces = text.split(MARK.as_str());
    let mut out = shown(pieces.next().unwrap_or_default());
    for piece in pieces {
        let mut rest = piece.chars();
        let letter = rest.next();
        match PAINTS.iter().find(|paint| Some(paint.letter()) == letter) {
            Some(paint) => {
                let _ = write!(out, "{}", paint.style());
            }
            None => out.push_str("\u{1b}[0m"),
        }
        out.push_str(&shown(rest.as_str()));
    }
    out
}

/// A JSON document with every control character as an escape of JSON: the same data, and nothing that acts on a terminal.
pub(crate) fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        // Outside of strings there is layout and ASCII only.
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
