//! The excerpt of a file to show for a finding: whole lines, limited in number and length.

use std::ops::Range;

use refit_model::LineIndex;

/// Maximum number of lines to show.
const LINES_SHOWN: usize = 6;
/// Maximum number of bytes of a long line to show before and after the span.
const BYTES_SHOWN: usize = 400;

/// An excerpt of a text.
pub(super) struct Excerpt<'t> {
    pub(super) text: &'t str,
    /// The span within the excerpt, in bytes.
    pub(super) span: Range<usize>,
    /// Number of the span's lines that are not shown.
    pub(super) lines_left: usize,
    /// Whether the start of the first line is cut off.
    pub(super) is_cut: bool,
}

impl<'t> Excerpt<'t> {
    /// The excerpt for a span; none if the span is outside the text.
    pub(super) fn new(place: Range<usize>, source: &'t str, index: &LineIndex<'_>) -> Option<Excerpt<'t>> {
        let (start, end) = (place.start, place.end.min(source.len()));
        if source.is_empty() || start > source.len() {
            return None;
        }
        let (first_line, last_line) = (index.position(start).line, index.position(end).line);
        let last = last_line.min(first_line + LINES_SHOWN - 1);
        let line_start = index.line_start(first_line);
        let first_byte = line_start.max(boundary(source, start.saturating_sub(BYTES_SHOWN)));
        let line_end = source[..index.line_start(last + 1)].trim_end_matches('\n').len().max(start);
        let shown_end = line_end.min(boundary(source, start + LINES_SHOWN * BYTES_SHOWN));
        let span = start - first_byte..end.min(shown_end) - first_byte;
        Some(Excerpt {
            text: &source[first_byte..shown_end],
            span,
            lines_left: last_line - last,
            is_cut: first_byte > line_start,
        })
    }
}

/// The nearest character boundary at or before an offset.
fn boundary(text: &str, mut offset: usize) -> usize {
    offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
