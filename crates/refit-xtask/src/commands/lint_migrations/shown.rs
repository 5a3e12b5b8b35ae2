//! What is drawn of a place in a file: whole lines, but few of many, and little of long ones.

use std::ops::Range;

use refit_model::LineIndex;

/// Of a long statement, this many lines are shown.
const LINES_SHOWN: usize = 6;
/// Of a long line, this many bytes before and after the place.
const BYTES_SHOWN: usize = 400;

/// The part of the text that is drawn.
pub(super) struct Shown<'t> {
    pub(super) text: &'t str,
    /// The place, in bytes of that text.
    pub(super) span: Range<usize>,
    /// Lines of the place that are not drawn.
    pub(super) lines_left: usize,
    /// Whether the first line begins before the text.
    pub(super) is_cut: bool,
}

impl<'t> Shown<'t> {
    /// A place of a text; none where it does not lie in it.
    pub(super) fn new(place: Range<usize>, source: &'t str, index: &LineIndex<'_>) -> Option<Shown<'t>> {
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
        Some(Shown {
            text: &source[first_byte..shown_end],
            span,
            lines_left: last_line - last,
            is_cut: first_byte > line_start,
        })
    }
}

/// The nearest place before, or at, an offset where a character begins.
fn boundary(text: &str, mut offset: usize) -> usize {
    offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
