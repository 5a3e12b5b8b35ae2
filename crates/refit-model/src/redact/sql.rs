//! Finds secrets in SQL by its tokens: the value after a name such as `password`, wherever SQL allows such values.

use std::collections::BTreeSet;
use std::ops::Range;

use squawk_lexer::{LiteralKind, TokenKind, tokenize};

use super::literal::{decode, inside, is_string, terminated};
use super::{insert, names, prose};

/// Maximum depth of literals in literals: a `DO` block that executes a string that calls `dblink` is three deep.
const DEPTH: usize = 5;

/// A token that PostgreSQL sees.
#[derive(Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A text as tokens, and the ranges of its secrets.
pub(super) struct Sql<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: Vec<Token>,
    pub(super) spans: Vec<Range<usize>>,
}

/// The secrets of a text, as byte ranges; their values are added to `values`.
pub(super) fn secrets(text: &str, depth: usize, values: &mut BTreeSet<String>) -> Vec<Range<usize>> {
    if depth > DEPTH || !names::may_hold(text) {
        return Vec::new();
    }
    let mut sql = Sql { text, tokens: significant(text), spans: prose::spans(text, false) };
    sql.named_values();
    sql.functions();
    sql.dynamic();
    sql.programs();
    insert::rows(&mut sql);
    sql.spans = super::merged(std::mem::take(&mut sql.spans));
    let mut spans = sql.nested(depth, values);
    for span in &sql.spans {
        values.insert(text[span.clone()].to_owned());
    }
    spans.append(&mut sql.spans);
    super::merged(spans)
}

fn significant(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut end = 0;
    for token in tokenize(text) {
        let start = end;
        end += token.len as usize;
        match token.kind {
            TokenKind::Eof => break,
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => {}
            kind => tokens.push(Token { kind, start, end }),
        }
    }
    tokens
}

impl<'t> Sql<'t> {
    pub(super) fn word(&self, index: usize) -> &'t str {
        self.tokens.get(index).map_or("", |token| &self.text[token.start..token.end])
    }

    pub(super) fn is(&self, index: usize, word: &str) -> bool {
        self.word(index).eq_ignore_ascii_case(word)
    }

    pub(super) fn literal(&self, index: usize) -> Option<LiteralKind> {
        match self.tokens.get(index)?.kind {
            TokenKind::Literal { kind } if is_string(kind) => Some(kind),
            _ => None,
        }
    }

    /// The name of an identifier, or the text of a literal that looks like one.
    pub(super) fn name(&self, index: usize) -> Option<&'t str> {
        let word = self.word(index);
        match self.tokens.get(index)?.kind {
            TokenKind::Ident => Some(word),
            TokenKind::QuotedIdent { .. } => Some(word.trim_start_matches("U&").trim_matches('"')),
            TokenKind::Literal { kind: kind @ LiteralKind::Str { .. } } => {
                let name = &word[inside(word, kind)];
                name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-')).then_some(name)
            }
            _ => None,
        }
    }

    /// Marks the content of a literal.
    pub(super) fn mark(&mut self, index: usize) {
        let (Some(kind), Some(token)) = (self.literal(index), self.tokens.get(index)) else { return };
        let inside = inside(&self.text[token.start..token.end], kind);
        let (mut start, mut end) = (token.start + inside.start, token.start + inside.end);
        let follows = self.text[token.end..].chars().next();
        if terminated(kind)
            && follows.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '\\' | '\'' | '"'))
        {
            // A quote in the secret was not doubled: its end is unknown, but it is unlikely to be after the last quote
            // of the line.
            let line = &self.text[token.end..];
            let line = line.split('\n').next().unwrap_or(line);
            end = token.end + line.rfind('\'').unwrap_or(line.len());
            start = token.start;
        }
        if start < end {
            self.spans.push(start..end);
        }
    }

    /// `PASSWORD 'x'`, `password = 'x'`, `set_config('app.password', 'x', …)`, `pw text := 'x'`, `'x' AS password`.
    fn named_values(&mut self) {
        for index in 0..self.tokens.len() {
            let Some(name) = self.name(index).filter(|name| names::is_secret(name)) else { continue };
            let quoted = self.literal(index).is_some();
            if !quoted && index > 0 {
                let before = if self.is(index - 1, "as") { index.checked_sub(2) } else { None };
                before.into_iter().for_each(|before| self.mark(before));
            }
            let value = self.after_separators(index + 1, quoted);
            self.value(value);
            if !quoted {
                self.declared(index + 1);
            }
            if name.eq_ignore_ascii_case("password")
                && self.literal(value).is_none()
                && self.is_of_role(index)
            {
                self.unquoted(value);
            }
        }
    }

    fn after_separators(&self, mut index: usize, quoted: bool) -> usize {
        for _ in 0..4 {
            let skip = match self.tokens.get(index).map(|token| token.kind) {
                Some(TokenKind::Eq | TokenKind::Colon | TokenKind::Gt | TokenKind::OpenParen) => true,
                Some(TokenKind::Comma) => quoted,
                Some(TokenKind::Ident) => ["to", "by", "as", "with"].iter().any(|word| self.is(index, word)),
                _ => false,
            };
            if !skip {
                break;
            }
            index += 1;
        }
        index
    }

    /// A literal, several that are concatenated, or those of a call.
    fn value(&mut self, mut index: usize) {
        loop {
            if self.literal(index).is_some() {
                self.mark(index);
                index += 1;
            } else if self.name(index).is_some() && self.is(index + 1, "(") {
                index = self.arguments(index + 1);
            } else {
                return;
            }
            while self.is(index, "|") {
                index += 1;
            }
        }
    }

    /// Marks the literals in parentheses, and returns the index after them.
    fn arguments(&mut self, open: usize) -> usize {
        let mut depth = 0usize;
        for index in open..self.tokens.len() {
            match self.tokens[index].kind {
                TokenKind::OpenParen => depth += 1,
                TokenKind::CloseParen => depth = depth.saturating_sub(1),
                TokenKind::Semi => return index,
                _ => self.mark(index),
            }
            if depth == 0 {
                return index + 1;
            }
        }
        self.tokens.len()
    }

    /// A type, then `:=` or DEFAULT.
    fn declared(&mut self, from: usize) {
        for index in from..from + 8 {
            if self.is(index, "default") || (self.is(index, ":") && self.is(index + 1, "=")) {
                return self.value(index + if self.is(index, "default") { 1 } else { 2 });
            }
            if self.name(index).is_none_or(|_| self.literal(index).is_some()) {
                return;
            }
        }
    }

    /// Whether a word is part of CREATE ROLE or similar.
    fn is_of_role(&self, index: usize) -> bool {
        let before = (0..index).rev().take(60).take_while(|at| self.tokens[*at].kind != TokenKind::Semi);
        let mut before = before.filter(|at| self.is(*at, "create") || self.is(*at, "alter"));
        before.any(|at| {
            ["role", "user", "group"].iter().any(|word| self.is(at + 1, word)) && !self.is(at + 2, "mapping")
        })
    }

    /// A password without quotes, or with non-SQL quotes: up to the next space.
    fn unquoted(&mut self, index: usize) {
        let Some(token) = self.tokens.get(index).filter(|token| token.kind != TokenKind::Semi) else {
            return;
        };
        if self.is(index, "null") || matches!(token.kind, TokenKind::PositionalParam { .. }) {
            return;
        }
        let span = match token.kind {
            TokenKind::QuotedIdent { terminated: true, .. } => token.start + 1..token.end - 1,
            _ => token.start..prose::unquoted_end(self.text, token.start),
        };
        if !prose::is_placeholder(&self.text[span.clone()]) {
            self.spans.push(span);
        }
    }

    /// `crypt('x', …)`.
    fn functions(&mut self) {
        for index in 0..self.tokens.len() {
            if self.is(index + 1, "(")
                && self.literal(index).is_none()
                && self.name(index).is_some_and(names::is_secret_function)
            {
                self.arguments(index + 1);
            }
        }
    }

    /// `COPY … FROM PROGRAM 'x'`: a command line can contain credentials in many forms.
    fn programs(&mut self) {
        for index in 1..self.tokens.len() {
            if self.is(index - 1, "program") {
                self.mark(index);
            }
        }
    }

    /// SQL that is built at run time: after `'… PASSWORD ' ||` and in `format('… PASSWORD %L', …)` each literal of the
    /// statement may be the secret, and with a variable, each literal assigned in the same text.
    fn dynamic(&mut self) {
        let mut in_statement = false;
        let mut in_text = false;
        for index in 0..self.tokens.len() {
            if self.tokens[index].kind == TokenKind::Semi {
                in_statement = false;
            }
            let Some(kind) = self.literal(index) else { continue };
            if in_statement {
                self.mark(index);
            }
            let word = self.word(index);
            let is_dynamic = |text: &str| names::may_hold(text) && prose::awaits_secret(text);
            if !matches!(kind, LiteralKind::DollarQuotedString { .. }) || word.len() < 1000 {
                let awaits = is_dynamic(&decode(word, kind).text);
                in_statement |= awaits;
                in_text |= awaits;
            }
        }
        if in_text {
            self.assigned();
        }
    }

    fn assigned(&mut self) {
        for index in 1..self.tokens.len() {
            let assigned =
                self.is(index - 1, "=") || self.is(index - 1, "default") || self.is(index + 1, "into");
            if assigned && self.literal(index).is_some() {
                self.mark(index);
            }
        }
    }

    /// Secrets in the values of literals that are not secrets themselves.
    fn nested(&self, depth: usize, values: &mut BTreeSet<String>) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        for index in 0..self.tokens.len() {
            let (Some(kind), token) = (self.literal(index), self.tokens[index]) else { continue };
            let word = self.word(index);
            let inside = inside(word, kind);
            let (start, end) = (token.start + inside.start, token.start + inside.end);
            if !names::may_hold(word) && !self.spans.iter().any(|span| span.start < end && start < span.end) {
                continue;
            }
            let decoded = decode(word, kind);
            if self.spans.iter().any(|span| span.start <= start && end <= span.end) {
                values.insert(decoded.text);
                continue;
            }
            let found = secrets(&decoded.text, depth + 1, values);
            spans.extend(
                found
                    .iter()
                    .map(|span| decoded.range(span))
                    .map(|at| token.start + at.start..token.start + at.end),
            );
        }
        spans
    }
}
