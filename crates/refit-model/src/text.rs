//! Migration text with normalized line endings, and positions for people.

use std::borrow::Cow;

use serde::Serialize;

/// A position in a text: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl Position {
    /// The position of a byte offset.
    ///
    /// `offset` past the end, or inside a character, gives the nearest position before it.
    pub fn of(text: &str, offset: usize) -> Position {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The positions of one text, for many offsets: the cost does not depend on the offset.
#[derive(Debug, Clone)]
pub struct LineIndex<'t> {
    text: &'t str,
    /// The start of each line.
    lines: Vec<usize>,
    /// The number of characters that begin before each block of [`BLOCK`] bytes; empty for ASCII, where each byte is a
    /// character.
    characters: Vec<usize>,
}

const BLOCK: usize = 1024;

impl<'t> LineIndex<'t> {
    /// Scans the text once.
    pub fn new(text: &'t str) -> LineIndex<'t> {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        let mut characters = Vec::new();
        if !text.is_ascii() {
            let mut before = 0;
            for block in text.as_bytes().chunks(BLOCK) {
                characters.push(before);
                before += begun(block);
            }
        }
        LineIndex { text, lines, characters }
    }

    /// The same result as [`Position::of`] for the offset.
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        Position { line, column: self.characters_before(offset) - self.characters_before(start) + 1 }
    }

    /// The byte offset at which a line begins, counted from 1; the end of the text for lines beyond it.
    pub fn line_start(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(self.text.len())
    }

    fn characters_before(&self, offset: usize) -> usize {
        match self.characters.get(offset / BLOCK) {
            Some(before) => before + begun(&self.text.as_bytes()[offset / BLOCK * BLOCK..offset]),
            None if self.characters.is_empty() => offset,
            // The end of a text that ends with a block.
            None => self.text.chars().count(),
        }
    }
}

/// The number of characters that begin in a range of UTF-8 bytes.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// The normalized text: without a byte-order mark, with `\n` as the only line ending.
///
/// A checkout with other line endings must not change a checksum.
pub fn normalise(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The known word closest to a misspelled one, if any is close enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3 + 1)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_one() {
        assert_eq!(Position::of("ab\ncöd", 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of("ab\ncöd", 6), Position { line: 2, column: 3 });
        assert_eq!(Position::of("ab", 99), Position { line: 1, column: 3 });
    }

    #[test]
    fn an_index_gives_the_same_positions() {
        let wide = "aé\u{1f600}\n".repeat(600) + &"ö".repeat(3000);
        for text in ["", "\n", "ab\ncöd\n", "ab\ncd", &wide, &"é".repeat(BLOCK)] {
            let index = LineIndex::new(text);
            for offset in 0..text.len() + 2 {
                assert_eq!(index.position(offset), Position::of(text, offset), "{offset}");
            }
        }
        let index = LineIndex::new("ab\ncd");
        assert_eq!([1, 2, 3, 0].map(|line| index.line_start(line)), [0, 3, 5, 5]);
    }

    #[test]
    fn line_endings_and_byte_order_mark_do_not_count() {
        assert_eq!(normalise("\u{feff}a\r\nb\rc\n"), "a\nb\nc\n");
        assert!(matches!(normalise("a\nb"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        assert_eq!(nearest("transacton", ["transaction", "after"]), Some("transaction"));
        assert_eq!(nearest("zzzzzz", ["transaction", "after"]), None);
    }
}
