//! Writes text for a terminal or a log: adds the colours of its styles and escapes everything that would affect a terminal,
//! wherever it comes from.

use std::fmt::Write as _;

use refit_model::{is_invisible_control, visible};

use crate::styled::{Span, Style, Text};

fn escape_sequence(style: Style) -> anstyle::Style {
    use anstyle::{AnsiColor, Style as Ansi};
    match style {
        Style::Good => AnsiColor::Green.on_default(),
        Style::Warn => AnsiColor::Yellow.on_default(),
        Style::Bad => AnsiColor::Red.on_default().bold(),
        Style::Quiet => Ansi::new().dimmed(),
        Style::Bold => Ansi::new().bold(),
    }
}

/// The text with colours, and with control characters escaped except newline and tab.
pub(crate) fn render(text: &Text) -> String {
    let mut out = String::new();
    for span in &text.spans {
        match span {
            Span::Plain(text) => out.push_str(&visible(text)),
            Span::Styled(style, text) => {
                let style = escape_sequence(*style);
                // Writing to a String cannot fail.
                let _ = write!(out, "{style}{}{style:#}", visible(text));
            }
            Span::Drawn(text) => {
                let pieces: Vec<_> = text.split('\u{1b}').map(visible).collect();
                out.push_str(&pieces.join("\u{1b}"));
            }
        }
    }
    out
}

/// The text without colours, and with control characters escaped.
pub(crate) fn plain(text: &Text) -> String {
    anstream::adapter::strip_str(&render(text)).to_string()
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
    use crate::styled::text;

    #[test]
    fn only_styles_become_colours() {
        let untrusted = "\u{1b}[31mred\u{9b}2J\u{202e}";
        let text = text![Style::Good.of("applied"), " ", untrusted];
        assert_eq!(render(&text), "\u{1b}[32mapplied\u{1b}[0m \\u{1b}[31mred\\u{9b}2J\\u{202e}");
        assert!(plain(&text).starts_with("applied \\u{1b}[31mred"));
        let drawn = Text::drawn("\u{1b}[1mx\u{9b}\u{1b}[0m".to_owned());
        assert_eq!(render(&drawn), "\u{1b}[1mx\\u{9b}\u{1b}[0m");
    }

    #[test]
    fn json_stays_the_same_data() {
        let data = serde_json::json!({ "query": "\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{e0041}\n" });
        let document = json(&data.to_string());
        assert!(document.is_ascii(), "{document}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&document).unwrap(), data);
    }
}
