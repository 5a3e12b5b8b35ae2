//! Positions of the tokens of a text, for code that edits it.

use std::ops::Range;

use squawk_lexer::{TokenKind, tokenize};

/// The tokens of a text in order, including comments and space. They are adjacent and cover the text.
pub(crate) fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut end = 0;
    let mut all = Vec::new();
    for token in tokenize(text) {
        if token.kind == TokenKind::Eof {
            break;
        }
        let start = end;
        end += token.len as usize;
        all.push(start..end);
    }
    all
}
