//! INTO of PL/pgSQL, which is not SQL. Any statement of a body that returns rows may have one: `SELECT … INTO x`,
//! `UPDATE … RETURNING id INTO STRICT x, y`. Like the server, this module removes it before the rest is parsed.

use squawk_lexer::{TokenKind, tokenize};

use crate::sql::Span;

/// The range of INTO and its targets in a statement; `None` if it has no INTO. `start` is the offset of its text.
pub(super) fn targets(statement: &str, start: u32) -> Option<Span> {
    let tokens = significant(statement);
    let word = |index: usize| tokens.get(index).map_or("", |token| token.1);
    let mut depth = 0_i32;
    let into = (0..tokens.len()).find(|index| {
        match tokens[*index].0 {
            TokenKind::OpenParen => depth += 1,
            TokenKind::CloseParen => depth -= 1,
            _ => {}
        }
        let before = index.checked_sub(1).map_or("", word);
        let names_table = ["insert", "merge"].iter().any(|verb| before.eq_ignore_ascii_case(verb));
        depth == 0 && word(*index).eq_ignore_ascii_case("into") && !names_table
    })?;
    let mut next = into + 1;
    if word(next).eq_ignore_ascii_case("strict") && is_name(tokens.get(next + 1)) {
        next += 1;
    }
    let end = loop {
        next = target(&tokens, next)?;
        match tokens.get(next) {
            Some((TokenKind::Comma, ..)) => next += 1,
            _ => break next - 1,
        }
    };
    let (from, (_, last, to)) = (tokens[into].2, tokens[end]);
    Some(Span { start: start + from, end: start + to + last.len() as u32 })
}

/// The index after a variable with its fields and elements.
fn target(tokens: &[Token<'_>], from: usize) -> Option<usize> {
    let mut next = is_name(tokens.get(from)).then_some(from + 1)?;
    loop {
        match tokens.get(next)?.0 {
            TokenKind::Dot if is_name(tokens.get(next + 1)) => next += 2,
            TokenKind::OpenBracket => {
                let closes = |token: &Token<'_>| token.0 == TokenKind::CloseBracket;
                next += tokens[next..].iter().position(closes)? + 1;
            }
            _ => return Some(next),
        }
    }
}

/// A token, its text, and its offset.
type Token<'t> = (TokenKind, &'t str, u32);

fn is_name(token: Option<&Token<'_>>) -> bool {
    token.is_some_and(|(kind, ..)| {
        matches!(kind, TokenKind::Ident | TokenKind::QuotedIdent { .. } | TokenKind::PositionalParam { .. })
    })
}

fn significant(text: &str) -> Vec<Token<'_>> {
    let mut end = 0;
    let mut all = Vec::new();
    for token in tokenize(text) {
        let start = end;
        end += token.len;
        let kind = token.kind;
        let is_trivia =
            matches!(kind, TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. });
        if !is_trivia && kind != TokenKind::Eof {
            all.push((kind, &text[start as usize..end as usize], start));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::targets;

    #[test]
    fn only_the_targets() {
        for (text, expected) in [
            ("SELECT a, b INTO x, y FROM t;", Some("INTO x, y")),
            ("SELECT INTO STRICT r.f[1 + 2], \"Y\" a, b FROM t;", Some("INTO STRICT r.f[1 + 2], \"Y\"")),
            ("INSERT INTO t SELECT 1 RETURNING id INTO c;", Some("INTO c")),
            ("WITH u AS (INSERT INTO t VALUES (1)) SELECT 1 /* x */ INTO /* y */ c;", Some("INTO /* y */ c")),
            ("INSERT /* a */ INTO t VALUES (1);", None),
            ("MERGE INTO t USING s ON true;", None),
            ("SELECT 1 INTO", None),
        ] {
            let span = targets(text, 0);
            assert_eq!(span.map(|span| &text[span.start as usize..span.end as usize]), expected, "{text}");
        }
    }
}
