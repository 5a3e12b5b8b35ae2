//! Splitting and joining texts: words of a statement, and names as written in SQL.

use std::ops::Range;

use crate::parser::tokens;

/// The tokens of a statement without space and comments, each with its range and parenthesis depth.
pub(crate) struct Words<'t> {
    text: &'t str,
    pub(crate) all: Vec<Word<'t>>,
}

/// A token.
#[derive(Debug, Clone)]
pub(crate) struct Word<'t> {
    pub(crate) at: Range<usize>,
    pub(crate) text: &'t str,
    pub(crate) depth: usize,
}

impl Word<'_> {
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }
}

impl<'t> Words<'t> {
    pub(crate) fn of(text: &'t str) -> Words<'t> {
        let mut depth = 0_usize;
        let mut all = Vec::new();
        for at in tokens(text) {
            let word = &text[at.clone()];
            if is_trivia(word) {
                continue;
            }
            if matches!(word, ")" | "]") {
                depth = depth.saturating_sub(1);
            }
            all.push(Word { at, text: word, depth });
            if matches!(word, "(" | "[") {
                depth += 1;
            }
        }
        Words { text, all }
    }

    /// The first of some keywords outside parentheses, from a word on.
    pub(crate) fn find(&self, from: usize, keywords: &[&str]) -> Option<usize> {
        let found = self.all.iter().enumerate().skip(from);
        found
            .filter(|(_, word)| word.depth == 0)
            .find_map(|(at, word)| keywords.iter().any(|keyword| word.is(keyword)).then_some(at))
    }

    /// The text from one word to another, inclusive, as written.
    pub(crate) fn between(&self, first: usize, last: usize) -> Option<&'t str> {
        self.text.get(self.all.get(first)?.at.start..self.all.get(last)?.at.end)
    }

    /// The text from a word to the end.
    pub(crate) fn from(&self, first: usize) -> &'t str {
        self.between(first, self.all.len().wrapping_sub(1)).unwrap_or_default()
    }

    /// The word that closes the parenthesis opened by a word.
    pub(crate) fn closing(&self, open: usize) -> Option<usize> {
        let depth = self.all.get(open).filter(|word| word.text == "(")?.depth;
        let later = self.all.iter().enumerate().skip(open + 1);
        later.filter(|(_, word)| word.text == ")" && word.depth == depth).map(|(at, _)| at).next()
    }
}

/// Whether a token is space or a comment.
pub(crate) fn is_trivia(token: &str) -> bool {
    token.trim().is_empty() || is_comment(token)
}

pub(crate) fn is_comment(token: &str) -> bool {
    token.starts_with("--") || token.starts_with("/*")
}

/// A text with insertions at some offsets, given in order.
pub(crate) fn inserted(text: &str, places: &[(usize, &str)]) -> String {
    let mut result = String::with_capacity(text.len() + 32);
    let mut done = 0;
    for (at, words) in places {
        result.push_str(&text[done..*at]);
        result.push_str(words);
        done = *at;
    }
    result.push_str(&text[done..]);
    result
}

/// A text without trailing space and comments, so that appended text is not part of a comment.
pub(crate) fn without_last_comment(text: &str) -> &str {
    let last = Words::of(text).all.last().map_or(0, |word| word.at.end);
    &text[..last]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_at_the_end_is_cut_off() {
        for (text, kept) in [
            ("ALTER TABLE t -- why\n  ", "ALTER TABLE t"),
            ("ALTER TABLE /* a */ t /* b */", "ALTER TABLE /* a */ t"),
            ("a '-- b' ", "a '-- b'"),
            ("-- only", ""),
        ] {
            assert_eq!(without_last_comment(text), kept);
        }
    }

    #[test]
    fn words_know_their_depth() {
        let words = Words::of("UPDATE t SET a = (SELECT 1 WHERE true) /* where */ WHERE b IS NULL");
        let found = words.find(0, &["where"]).unwrap();
        assert_eq!(words.from(found), "WHERE b IS NULL");
        let open = words.all.iter().position(|word| word.text == "(").unwrap();
        assert_eq!(
            words.closing(open).and_then(|close| words.between(open, close)),
            Some("(SELECT 1 WHERE true)")
        );
    }
}
