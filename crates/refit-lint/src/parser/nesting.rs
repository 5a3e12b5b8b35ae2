//! Estimates how deep a text nests before it is parsed: the parser recurses once per level, and a stack overflow cannot
//! be caught.
//!
//! The estimate errs on the high side. It counts what the parser recurses into: parentheses and brackets, CASE and
//! blocks, and chains of operators, which end at a comma, AND, OR or a new clause.
//! operators in a row, which a comma, AND, OR or a clause ends.

use squawk_lexer::{TokenKind, tokenize};

use crate::sql::Span;

/// Deeper texts are not parsed. PostgreSQL itself fails at 10,000 parentheses; each level takes up to 6 KiB of stack in
/// an unoptimized build.
pub(super) const DEEPEST: usize = 5_000;

/// The statements of a text that nest too deep; for a PL/pgSQL body, the whole text if any part does.
pub(super) fn too_deep(text: &str, is_body: bool) -> Vec<Span> {
    // A level takes at least one byte, and one of a block that continues after a semicolon takes many more.
    let short = match is_body {
        true => text.len() <= DEEPEST,
        false => text.len() <= 20 * DEEPEST && text.split(';').all(|segment| segment.len() <= DEEPEST),
    };
    if short { Vec::new() } else { scan(text, is_body) }
}

/// An open parenthesis or block.
struct Frame {
    /// Whether it continues after a semicolon.
    is_block: bool,
    /// Levels in it that no token closes.
    loose: usize,
}

struct Scan {
    is_body: bool,
    frames: Vec<Frame>,
    /// Levels of all frames.
    levels: usize,
    /// Whether an IF was read without its THEN.
    in_if: bool,
    after_end: bool,
}

fn scan(text: &str, is_body: bool) -> Vec<Span> {
    let mut scan = Scan { is_body, frames: Vec::new(), levels: 0, in_if: false, after_end: false };
    scan.open(true);
    let (mut found, mut offset, mut start, mut deep) = (Vec::new(), 0, 0, false);
    for token in tokenize(text) {
        let (from, to) = (offset, offset + token.len as usize);
        offset = to;
        scan.token(token.kind, &text[from..to]);
        deep |= scan.levels > DEEPEST;
        if token.kind == TokenKind::Semi && scan.frames.len() == 1 && !is_body {
            if deep {
                found.push(Span { start: start as u32, end: from as u32 });
            }
            (start, deep) = (to, false);
        }
    }
    if deep {
        found.push(Span { start: start as u32, end: text.len() as u32 });
    }
    found
}

impl Scan {
    fn token(&mut self, kind: TokenKind, text: &str) {
        match kind {
            TokenKind::OpenParen | TokenKind::OpenBracket => self.open(false),
            TokenKind::CloseParen | TokenKind::CloseBracket => {
                if self.frames.last().is_some_and(|frame| !frame.is_block) {
                    self.close();
                }
            }
            TokenKind::Semi => self.statement_ends(),
            TokenKind::Comma => self.settle(),
            TokenKind::Ident => return self.word(text),
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => return,
            TokenKind::Literal { .. }
            | TokenKind::QuotedIdent { .. }
            | TokenKind::PositionalParam { .. }
            | TokenKind::Dot => {}
            _ => self.add(),
        }
        self.after_end = false;
    }

    fn word(&mut self, word: &str) {
        // No relevant keyword is longer.
        let mut upper = [0_u8; 10];
        let Some(upper) = upper.get_mut(..word.len()) else { return };
        upper.copy_from_slice(word.as_bytes());
        upper.make_ascii_uppercase();
        let after_end = std::mem::take(&mut self.after_end);
        match &*upper {
            b"IF" | b"LOOP" | b"CASE" if after_end => {}
            b"CASE" => self.open(self.is_body || self.frames.iter().skip(1).any(|frame| frame.is_block)),
            b"BEGIN" | b"LOOP" if self.is_body => self.open(true),
            b"ATOMIC" => self.open(true),
            b"IF" => self.in_if = true,
            b"THEN" if self.is_body && std::mem::take(&mut self.in_if) => self.open(true),
            b"END" => {
                self.after_end = true;
                self.block_ends();
            }
            b"NOT" | b"BETWEEN" | b"IS" | b"IN" | b"LIKE" | b"ILIKE" | b"SIMILAR" | b"AS" | b"DO"
            | b"FOR" | b"EXPLAIN" | b"DECLARE" | b"PREPARE" => self.add(),
            b"AND" | b"OR" | b"SELECT" | b"FROM" | b"WHERE" | b"SET" | b"VALUES" | b"UNION" | b"EXCEPT"
            | b"INTERSECT" | b"ON" | b"JOIN" | b"WHEN" | b"THEN" | b"ELSE" => self.settle(),
            _ => {}
        }
    }

    fn open(&mut self, is_block: bool) {
        self.frames.push(Frame { is_block, loose: 0 });
        self.levels += 1;
    }

    fn close(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.levels -= 1 + frame.loose;
        }
    }

    fn add(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.loose += 1;
            self.levels += 1;
        }
    }

    /// Drops the levels of the operators before.
    fn settle(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            self.levels -= std::mem::take(&mut frame.loose);
        }
    }

    fn statement_ends(&mut self) {
        while self.frames.last().is_some_and(|frame| !frame.is_block) {
            self.close();
        }
        self.settle();
        self.in_if = false;
    }

    /// END closes a CASE, or a block with everything left open in it, but never the text itself.
    fn block_ends(&mut self) {
        let is_case = self.frames.last().is_some_and(|frame| !frame.is_block);
        while !is_case && self.frames.len() > 1 && self.frames.last().is_some_and(|frame| !frame.is_block) {
            self.close();
        }
        if self.frames.len() > 1 {
            self.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_deep(text: &str, is_body: bool) -> bool {
        !too_deep(text, is_body).is_empty()
    }

    #[test]
    fn what_nests_is_found_and_what_is_long_is_not() {
        let many = |text: &str| text.repeat(10_000);
        for deep in
            ["(", "- ", "x || ", "NOT ", "CASE WHEN ", "f(x, ", "EXPLAIN ", "(SELECT * FROM ", "x[1 + "]
        {
            assert!(is_deep(&format!("SELECT {}", many(deep)), false), "{deep}");
        }
        for long in [
            "(-1, -2), ",
            "a = -1 OR ",
            "a < b AND NOT c AND ",
            "CASE WHEN a = b THEN c END, ",
            "f(a[1]) AS x, ",
        ] {
            assert!(!is_deep(&format!("SELECT {}1", many(long)), false), "{long}");
        }
        assert!(!is_deep(&many("DROP TABLE IF EXISTS t; CREATE VIEW v AS SELECT (1 = ; "), false));
        assert!(!is_deep(
            &many("IF a = b THEN x := CASE WHEN a THEN 1 END; END IF; LOOP NULL; END LOOP; "),
            true
        ));
        assert!(is_deep(&many("IF a THEN "), true) && is_deep(&many("BEGIN x; "), true));
    }

    #[test]
    fn only_the_statement_is_lost() {
        let text = format!("SELECT 1; SELECT {}1; SELECT 2;", "(".repeat(6_000));
        let found = too_deep(&text, false);
        assert_eq!(found.len(), 1);
        assert_eq!(&text[found[0].start as usize..found[0].start as usize + 8], " SELECT ");
        assert!(text[found[0].end as usize..].starts_with("; SELECT 2;"));
    }
}
