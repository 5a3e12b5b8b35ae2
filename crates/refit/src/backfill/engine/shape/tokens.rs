//! A statement as tokens, and searches in them.

use std::ops::Range;

use squawk_lexer::{TokenKind, tokenize};

struct Token<'a> {
    text: &'a str,
    start: usize,
    /// The number of open parentheses before it.
    depth: usize,
    quoted: bool,
    parameter: bool,
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word)
    }

    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

pub(super) struct Target {
    pub(super) span: Range<usize>,
    /// The table, in the syntax that the server's functions accept; none if it is written with Unicode escapes.
    pub(super) name: Option<String>,
    pub(super) called: String,
    pub(super) aliased: bool,
    pub(super) update: bool,
    /// The first token after it.
    pub(super) after: usize,
}

/// The position of an operator, and its text.
type Operator<'a> = (Range<usize>, &'a str);

pub(in crate::backfill) struct Tokens<'a>(Vec<Token<'a>>, &'a str);

impl<'a> Tokens<'a> {
    pub(in crate::backfill) fn of(text: &'a str) -> Tokens<'a> {
        let (mut tokens, mut offset, mut depth) = (Vec::new(), 0, 0_usize);
        for token in tokenize(text) {
            let start = offset;
            offset += token.len as usize;
            if matches!(
                token.kind,
                TokenKind::Whitespace
                    | TokenKind::LineComment
                    | TokenKind::BlockComment { .. }
                    | TokenKind::Eof
            ) {
                continue;
            }
            if token.kind == TokenKind::CloseParen {
                depth = depth.saturating_sub(1);
            }
            tokens.push(Token {
                text: &text[start..offset],
                start,
                depth,
                quoted: !matches!(token.kind, TokenKind::Ident),
                parameter: matches!(token.kind, TokenKind::PositionalParam { .. }),
            });
            if token.kind == TokenKind::OpenParen {
                depth += 1;
            }
        }
        Tokens(tokens, text)
    }

    pub(in crate::backfill) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn depth(&self, at: usize) -> usize {
        self.0.get(at).map_or(0, |token| token.depth)
    }

    pub(in crate::backfill) fn is(&self, at: usize, word: &str) -> bool {
        self.0.get(at).is_some_and(|token| token.is(word))
    }

    pub(in crate::backfill) fn text(&self, at: usize) -> &str {
        self.0.get(at).map_or("", |token| token.text)
    }

    /// The next token `word` outside of parentheses.
    pub(super) fn find(&self, from: usize, word: &str) -> Option<usize> {
        (from..self.0.len()).find(|at| self.0[*at].depth == 0 && self.is(*at, word))
    }

    pub(super) fn parameters(&self) -> usize {
        let numbers = self.0.iter().filter(|token| token.parameter);
        numbers.filter_map(|token| token.text[1..].parse().ok()).max().unwrap_or(0)
    }

    /// `> $1`, `> ($1`, `> ROW ($1` and `$1 <`, each with its replacement for an inclusive bound.
    pub(super) fn lower_bounds(&self) -> Vec<(Range<usize>, &'static str)> {
        let mut found = Vec::new();
        for (before, after) in self.comparisons("$1") {
            if let Some((span, ">")) = before {
                found.push((span, ">="));
            } else if let Some((span, "<")) = after {
                found.push((span, "<="));
            }
        }
        found
    }

    /// Whether it has `<= $n`, `<= ($n`, `<= ROW ($n` or `$n >=`.
    pub(super) fn has_upper_bound(&self, number: usize) -> bool {
        self.comparisons(&format!("${number}"))
            .iter()
            .any(|(before, after)| matches!(before, Some((_, "<="))) || matches!(after, Some((_, ">="))))
    }

    /// Whether it has `key % $n = $m` or `mod(key, $n) = $m`, in either order.
    pub(super) fn has_stripe(&self, key: &str, [modulus, rest]: [usize; 2]) -> bool {
        let is_parameter = |at: usize, number: usize| {
            self.0.get(at).is_some_and(|token| token.parameter && token.text[1..] == number.to_string())
        };
        (0..self.0.len()).filter(|at| unquoted(self.text(*at)) == key).any(|at| {
            let mut first = self.qualified_from(at);
            let opens = self.text(first.wrapping_sub(1)) == "(";
            let is_mod = opens && self.is(first.wrapping_sub(2), "mod") && self.text(at + 1) == ",";
            let is_sign = matches!(self.operator(at + 1), Some((_, "%")));
            if !(is_mod || is_sign) || !is_parameter(at + 2, modulus) {
                return false;
            }
            let mut last = at + 2;
            if opens && self.text(last + 1) == ")" {
                last += 1;
                first = if is_mod { self.qualified_from(first - 2) } else { first - 1 };
            }
            let equals = |at: usize| matches!(self.operator(at), Some((_, "=")));
            equals(last + 1) && is_parameter(last + 2, rest)
                || equals(first.wrapping_sub(1)) && is_parameter(first.wrapping_sub(2), rest)
        })
    }

    /// The first token of the name that ends at a token.
    fn qualified_from(&self, mut at: usize) -> usize {
        while at > 1 && self.text(at - 1) == "." {
            at -= 2;
        }
        at
    }

    /// The operators before and after a parameter, or the row that it begins.
    fn comparisons(&self, parameter: &str) -> Vec<(Option<Operator<'_>>, Option<Operator<'_>>)> {
        let places = (0..self.0.len()).filter(|at| self.0[*at].parameter && self.text(*at) == parameter);
        let around = places.map(|at| {
            let (mut before, mut after) = (at.wrapping_sub(1), at + 1);
            if self.text(before) == "(" {
                before = before.wrapping_sub(1);
                if self.is(before, "ROW") {
                    before = before.wrapping_sub(1);
                }
                after = (at..self.0.len()).find(|end| self.text(*end) == ")").map_or(after, |end| end + 1);
            }
            (self.operator(before), self.operator(after))
        });
        around.collect()
    }

    /// The operator that a token is part of, and its position: the lexer's tokens are single characters.
    fn operator(&self, at: usize) -> Option<Operator<'_>> {
        let is_operator = |at: usize| {
            let text = self.text(at);
            !text.is_empty() && text.bytes().all(|byte| b"<>=!~@#%^&|`?+-*/".contains(&byte))
        };
        let touch =
            |a: usize, b: usize| is_operator(a) && is_operator(b) && self.0[a].end() == self.0[b].start;
        if !is_operator(at) {
            return None;
        }
        let (mut first, mut last) = (at, at);
        while first > 0 && touch(first - 1, first) {
            first -= 1;
        }
        while touch(last, last + 1) {
            last += 1;
        }
        let span = self.0[first].start..self.0[last].end();
        Some((span.clone(), self.1.get(span)?))
    }

    /// The table of an UPDATE or DELETE.
    pub(super) fn target(&self) -> Option<Target> {
        let verb = (0..self.0.len()).find(|at| {
            self.0[*at].depth == 0
                && ["UPDATE", "DELETE", "INSERT", "MERGE", "SELECT"].iter().any(|word| self.is(*at, word))
        })?;
        let update = self.is(verb, "UPDATE");
        let mut at = verb + 1;
        if !update {
            if !self.is(verb, "DELETE") || !self.is(at, "FROM") {
                return None;
            }
            at += 1;
        }
        let start = self.0.get(at)?.start;
        if self.is(at, "ONLY") {
            at += 1;
        }
        let mut last = at;
        while self.text(last + 1) == "." {
            last += 2;
        }
        let escaped = |token: &Token<'_>| token.text.get(1..).is_some_and(|rest| rest.starts_with("&\""));
        let name = self.0.get(at..=last)?;
        let name = (!name.iter().any(escaped)).then(|| name.iter().map(|token| token.text).collect());
        let mut end = last;
        if self.text(end + 1) == "*" {
            end += 1;
        }
        let span = start..self.0.get(end)?.end();
        let mut after = end + 1;
        let mut called = self.text(last).to_owned();
        let stops = ["SET", "USING", "WHERE", "RETURNING"];
        let aliased = self.0.get(after).is_some_and(|token| !stops.iter().any(|stop| token.is(stop)));
        if aliased {
            after += usize::from(self.is(after, "AS"));
            called = self.text(after).to_owned();
            after += 1;
        }
        Some(Target { span, name, called, aliased, update, after })
    }

    /// The names before `=` in the SET clause, alone or as a list.
    pub(super) fn sets(&self, from: usize) -> Vec<String> {
        let Some(set) = self.find(from, "SET") else { return Vec::new() };
        let stop = ["FROM", "WHERE", "RETURNING"].iter().filter_map(|word| self.find(set, word)).min();
        self.assigned(set + 1..stop.unwrap_or(self.0.len()), 0)
    }

    /// The names before `=` in a list of assignments at a depth of parentheses.
    pub(super) fn assigned(&self, list: Range<usize>, depth: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut begins = true;
        for at in list {
            let token = &self.0[at];
            if token.depth == depth && begins && token.text != "(" {
                names.push(unquoted(token.text));
            } else if token.depth == depth && begins {
                let list = (at + 1..self.0.len()).take_while(|inner| self.0[*inner].depth > depth);
                names.extend(
                    list.filter(|inner| self.text(*inner) != ",").map(|inner| unquoted(self.text(inner))),
                );
            }
            begins = token.depth == depth && token.text == ",";
        }
        names
    }

    /// `column IS NULL`, if it is one of the conditions and the column is set: rows that are done do not meet it.
    pub(super) fn guard(&self, from: usize, called: &str, sets: &[String]) -> Option<String> {
        let first = self.find(from, "WHERE")? + 1;
        let end = self.find(first, "RETURNING").unwrap_or(self.0.len());
        if (first..end).any(|at| self.0[at].depth == 0 && self.is(at, "OR")) {
            return None;
        }
        let begins = (first..end).filter(|at| *at == first || self.is(at - 1, "AND"));
        for at in begins.filter(|at| self.0[*at].depth == 0) {
            let mut column = at;
            if self.text(at + 1) == "." {
                if self.text(at) != called {
                    continue;
                }
                column = at + 2;
            }
            let ends = column + 3 == end || self.is(column + 3, "AND");
            if self.is(column + 1, "IS")
                && self.is(column + 2, "NULL")
                && ends
                && sets.contains(&unquoted(self.text(column)))
            {
                return Some(format!("{} IS NULL", self.text(column)));
            }
        }
        None
    }
}

/// An identifier in the form of the catalog.
pub(in crate::backfill) fn unquoted(text: &str) -> String {
    refit_model::identifier_name(text)
}
