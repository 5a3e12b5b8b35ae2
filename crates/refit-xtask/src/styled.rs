//! Text with styles: spans, which are escaped and coloured when they are printed.

use std::borrow::Cow;
use std::fmt::{Arguments, Display};

/// The style of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
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

impl Style {
    /// A text in this style.
    pub(crate) fn of(self, text: impl Display) -> Text {
        Text { spans: vec![Span::Styled(self, text.to_string())] }
    }

    /// A text in this style, padded to a number of characters.
    pub(crate) fn column(self, text: impl Display, width: usize) -> Text {
        let text = text.to_string();
        let padding = " ".repeat(width.saturating_sub(text.chars().count()));
        text![self.of(text), padding]
    }
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Span {
    /// Without a style.
    Plain(String),
    /// With one.
    Styled(Style, String),
    /// With escape sequences of a library, which has escaped its input.
    Drawn(String),
}

/// Text for people, as spans with styles. Build it from strings; [`Output`](crate::Output) escapes control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    pub(crate) spans: Vec<Span>,
}

/// Joins parts, each of which converts into a [`Text`].
macro_rules! text {
    ($($part:expr),* $(,)?) => {{
        let mut text = $crate::styled::Text::default();
        $(text.push($part);)*
        text
    }};
}
pub(crate) use text;

impl Text {
    /// Text that a library has drawn with escape sequences after it escaped its input.
    pub(crate) fn drawn(text: String) -> Text {
        Text { spans: vec![Span::Drawn(text)] }
    }

    /// Appends a text.
    pub(crate) fn push(&mut self, text: impl Into<Text>) {
        self.spans.extend(text.into().spans);
    }

    /// Appends a text on a new line.
    pub(crate) fn push_line(&mut self, text: impl Into<Text>) {
        if !self.is_empty() {
            self.push("\n");
        }
        self.push(text);
    }

    /// Texts with a separator between them.
    pub(crate) fn join<T: Into<Text>>(texts: impl IntoIterator<Item = T>, separator: &str) -> Text {
        let mut joined = Text::default();
        for (number, text) in texts.into_iter().enumerate() {
            if number > 0 {
                joined.push(separator);
            }
            joined.push(text);
        }
        joined
    }

    /// One text per line.
    pub(crate) fn lines<T: Into<Text>>(texts: impl IntoIterator<Item = T>) -> Text {
        Text::join(texts, "\n")
    }

    /// Whether it has no characters.
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.iter().all(|span| match span {
            Span::Plain(text) | Span::Styled(_, text) | Span::Drawn(text) => text.is_empty(),
        })
    }

    /// The same text, with a style where it has none.
    pub(crate) fn or(self, style: Style) -> Text {
        let styled = |span| match span {
            Span::Plain(text) => Span::Styled(style, text),
            other => other,
        };
        Text { spans: self.spans.into_iter().map(styled).collect() }
    }
}

impl<T: Into<Text>> FromIterator<T> for Text {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Text {
        Text::join(texts, "")
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text { spans: vec![Span::Plain(text)] }
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Text {
        text.clone().into()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        text.to_owned().into()
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Text {
        text.into_owned().into()
    }
}

impl From<Arguments<'_>> for Text {
    fn from(text: Arguments<'_>) -> Text {
        text.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_keep_their_styles() {
        let text = text!["at ", Style::Good.column("one", 5), String::from("!")].or(Style::Quiet);
        let styles = |text: &Text| -> Vec<Option<Style>> {
            let style = |span: &Span| match span {
                Span::Styled(style, _) => Some(*style),
                _ => None,
            };
            text.spans.iter().map(style).collect()
        };
        let quiet = Some(Style::Quiet);
        assert_eq!(styles(&text), [quiet, Some(Style::Good), quiet, quiet]);
        assert!(text!["", Style::Bad.of("")].is_empty() && !Text::lines(["a", "b"]).is_empty());
    }
}
