//! Labeled lines, such as those of a plan: the caller that prints them chooses layout and colors.

use std::fmt;

/// A labeled line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The label, such as `pending` or `refused`; empty if the line continues the one before.
    pub label: &'static str,
    /// The text.
    pub text: String,
    /// What the line means to the reader: what prints it derives a style from this, not from the label.
    pub kind: LineKind,
}

/// What a line means to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineKind {
    /// Prevents what is planned.
    Problem,
    /// Is to be done, waits, or needs attention.
    Work,
    /// A detail.
    Detail,
}

impl Line {
    pub(crate) fn problem(label: &'static str, text: impl Into<String>) -> Line {
        Line { label, text: text.into(), kind: LineKind::Problem }
    }

    pub(crate) fn work(label: &'static str, text: impl Into<String>) -> Line {
        Line { label, text: text.into(), kind: LineKind::Work }
    }

    pub(crate) fn detail(label: &'static str, text: impl Into<String>) -> Line {
        Line { label, text: text.into(), kind: LineKind::Detail }
    }

    /// Writes it with its label in a column of `width` characters.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        write!(f, "  {:width$}  {}", self.label, self.text)
    }
}

/// Writes a plan: a heading, its lines, and a summary.
pub(crate) fn write_lines(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    lines: &[Line],
    summary: &str,
) -> fmt::Result {
    writeln!(f, "{heading}")?;
    for line in lines {
        line.write(f, 7)?;
        writeln!(f)?;
    }
    f.write_str(summary)
}
