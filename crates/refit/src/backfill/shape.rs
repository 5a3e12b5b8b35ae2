//! The shape of a backfill's statement: its parameters, its target, what it changes, and which rows it still has to.
//!
//! This is lexing, as in splitting: what it cannot make out is left to the directive, never guessed.

use std::ops::Range;

use refit_model::{BackfillDirective, split_statements};
use squawk_lexer::{TokenKind, tokenize};

/// The statements of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) parts: Vec<Part>,
    /// Whether the statements name their stripe: `… % $3 = $4` behind the bounds of the key.
    pub(crate) striped: bool,
}

/// One statement.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    text: String,
    /// How many parameters it has.
    pub(crate) parameters: usize,
    /// `>` before `$1` and `<` after it: where a lower bound that belongs to the batch is written.
    lower: Vec<(Range<usize>, &'static str)>,
    /// The table that an UPDATE or DELETE names, `ONLY` included, and the name that other parts of it go by.
    target: Option<(Range<usize>, Option<String>)>,
    /// Whether it is an UPDATE without RETURNING.
    pub(crate) plain_update: bool,
    /// What the target is called in the statement, as it is written.
    pub(crate) called: String,
    /// The columns that it sets, unquoted.
    pub(crate) sets: Vec<String>,
    /// The condition, on the target alone, that a row done no longer meets.
    pub(crate) guard: Option<String>,
}

impl Shape {
    /// Reads the statements of a file.
    ///
    /// # Errors
    /// In words, with what to do, when they are not batches of the directive's key.
    pub(crate) fn of(sql: &str, directive: &BackfillDirective) -> Result<Shape, String> {
        let statements = split_statements(sql);
        if statements.is_empty() {
            return Err("it has no statement: write one, or register a function for its version".to_owned());
        }
        let keys = directive.key.len();
        let parts: Vec<Part> = statements.iter().map(|statement| Part::of(statement.text)).collect();
        for part in &parts {
            if part.lower.is_empty() {
                return Err(format!(
                    "the lower bound is exclusive: write it as `{} > {}`",
                    row(&directive.key),
                    row(&(1..=keys).map(|number| format!("${number}")).collect::<Vec<_>>())
                ));
            }
            if part.parameters != 2 * keys && part.parameters != 2 * keys + 2 {
                return Err(format!(
                    "a batch of {keys} key columns has {} parameters, or {} with a stripe (`key % ${} = ${}`); this statement has {}",
                    2 * keys,
                    2 * keys + 2,
                    2 * keys + 1,
                    2 * keys + 2,
                    part.parameters
                ));
            }
        }
        let striped = parts.iter().all(|part| part.parameters > 2 * keys);
        if !striped && parts.iter().any(|part| part.parameters > 2 * keys) {
            return Err("some of its statements name a stripe and others do not: all of them must, or none"
                .to_owned());
        }
        let one_update = parts.len() == 1 && parts[0].plain_update;
        if !directive.undo.is_empty() && !one_update {
            return Err("`undo` keeps what one UPDATE without RETURNING overwrites".to_owned());
        }
        Ok(Shape { parts, striped })
    }

    /// The columns that the statements set.
    pub(crate) fn sets(&self) -> Vec<String> {
        self.parts.iter().flat_map(|part| part.sets.iter().cloned()).collect()
    }

    /// Whether every statement can be said of one partition.
    pub(crate) fn can_be_pinned(&self) -> bool {
        self.parts.iter().all(|part| part.target.is_some())
    }
}

impl Part {
    fn of(text: &str) -> Part {
        let tokens = Tokens::of(text);
        let (target, called, sets, guard, plain_update) = match tokens.target() {
            Some(target) => {
                let sets = if target.update { tokens.sets(target.after) } else { Vec::new() };
                let guard = tokens.guard(target.after, &target.called, &sets);
                let returning = tokens.find(target.after, "RETURNING").is_some();
                let rename = (!target.aliased).then(|| target.called.clone());
                let plain = target.update && !returning;
                (Some((target.span, rename)), target.called, sets, guard, plain)
            }
            None => (None, String::new(), Vec::new(), None, false),
        };
        Part {
            text: text.to_owned(),
            parameters: tokens.parameters(),
            lower: tokens.lower_bounds(),
            target,
            plain_update,
            called,
            sets,
            guard,
        }
    }

    /// The statement for one relation; `closed` makes the lower bound a part of the batch.
    pub(crate) fn text(&self, relation: Option<&str>, closed: bool) -> String {
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        if closed {
            edits.extend(self.lower.iter().map(|(range, with)| (range.clone(), (*with).to_owned())));
        }
        if let (Some(relation), Some((span, rename))) = (relation, &self.target) {
            let with = match rename {
                Some(name) => format!("ONLY {relation} AS {name}"),
                None => format!("ONLY {relation}"),
            };
            edits.push((span.clone(), with));
        }
        edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = self.text.clone();
        for (range, with) in edits {
            text.replace_range(range, &with);
        }
        text
    }
}

fn row(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    }
}

struct Token<'a> {
    text: &'a str,
    start: usize,
    /// How many parentheses are open before it.
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

struct Target {
    span: Range<usize>,
    called: String,
    aliased: bool,
    update: bool,
    /// The first token behind it.
    after: usize,
}

struct Tokens<'a>(Vec<Token<'a>>);

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Tokens<'a> {
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
        Tokens(tokens)
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.0.get(at).is_some_and(|token| token.is(word))
    }

    fn text(&self, at: usize) -> &str {
        self.0.get(at).map_or("", |token| token.text)
    }

    /// The next token of the statement itself, not of what stands in parentheses, that is `word`.
    fn find(&self, from: usize, word: &str) -> Option<usize> {
        (from..self.0.len()).find(|at| self.0[*at].depth == 0 && self.is(*at, word))
    }

    fn parameters(&self) -> usize {
        let numbers = self.0.iter().filter(|token| token.parameter);
        numbers.filter_map(|token| token.text[1..].parse().ok()).max().unwrap_or(0)
    }

    /// `> $1`, `> ($1`, `> ROW ($1` and `$1 <`, with what they are when the bound belongs to the batch.
    fn lower_bounds(&self) -> Vec<(Range<usize>, &'static str)> {
        let lone = |at: usize, sign: &str| {
            let touches = |a: usize, b: usize| {
                let is_operator =
                    |token: &Token<'_>| token.text.bytes().all(|byte| b"<>=!~@#%^&|`?+-*/".contains(&byte));
                self.0
                    .get(a)
                    .zip(self.0.get(b))
                    .is_some_and(|(a, b)| a.end() == b.start && is_operator(a) && is_operator(b))
            };
            self.text(at) == sign
                && !touches(at, at + 1)
                && !at.checked_sub(1).is_some_and(|before| touches(before, at))
        };
        let mut found = Vec::new();
        for at in (0..self.0.len()).filter(|at| self.0[*at].parameter && self.text(*at) == "$1") {
            let mut before = at.wrapping_sub(1);
            if self.text(before) == "(" {
                before = before.wrapping_sub(1);
                if self.is(before, "ROW") {
                    before = before.wrapping_sub(1);
                }
            }
            let mut after = at + 1;
            if self.text(at.wrapping_sub(1)) == "(" {
                after = (at..self.0.len()).find(|end| self.text(*end) == ")").map_or(after, |end| end + 1);
            }
            if before < self.0.len() && lone(before, ">") {
                found.push((self.0[before].start..self.0[before].end(), ">="));
            } else if lone(after, "<") {
                found.push((self.0[after].start..self.0[after].end(), "<="));
            }
        }
        found
    }

    /// The table of an UPDATE or DELETE.
    fn target(&self) -> Option<Target> {
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
        Some(Target { span, called, aliased, update, after })
    }

    /// The names before `=` in the SET clause, alone or as a list.
    fn sets(&self, from: usize) -> Vec<String> {
        let mut names = Vec::new();
        let Some(set) = self.find(from, "SET") else { return names };
        let stop = ["FROM", "WHERE", "RETURNING"].iter().filter_map(|word| self.find(set, word)).min();
        let mut begins = true;
        for at in set + 1..stop.unwrap_or(self.0.len()) {
            let token = &self.0[at];
            if token.depth == 0 && begins && token.text != "(" {
                names.push(unquoted(token.text));
            } else if token.depth == 0 && begins {
                let list = (at + 1..self.0.len()).take_while(|inner| self.0[*inner].depth > 0);
                names.extend(
                    list.filter(|inner| self.text(*inner) != ",").map(|inner| unquoted(self.text(inner))),
                );
            }
            begins = token.depth == 0 && token.text == ",";
        }
        names
    }

    /// `column IS NULL`, where it is one of the conditions and the column is set: a row that is done does not meet it.
    fn guard(&self, from: usize, called: &str, sets: &[String]) -> Option<String> {
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

/// An identifier as the catalog has it.
fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directive(key: &[&str]) -> BackfillDirective {
        let key = key.iter().map(|column| format!("{column:?}")).collect::<Vec<_>>().join(",");
        serde_json::from_str(&format!("{{\"table\":\"t\",\"key\":[{key}]}}")).unwrap()
    }

    const SAMPLE: &str = "UPDATE content_versions cv SET site_id = coalesce(p.site_id, (SELECT 1 WHERE true)), (a, \"B\") = (1, 2)\n\
         FROM posts p WHERE cv.id > $1 AND cv.id <= $2 AND cv.id % $3 = $4 AND p.x IS NULL AND cv.site_id IS NULL;";

    #[test]
    fn an_update_is_understood() {
        let shape = Shape::of(SAMPLE, &directive(&["id"])).unwrap();
        let part = &shape.parts[0];
        assert!(shape.striped && part.plain_update && shape.can_be_pinned());
        assert_eq!((part.called.as_str(), part.guard.as_deref()), ("cv", Some("site_id IS NULL")));
        assert_eq!(part.sets, ["site_id", "a", "B"]);
        let closed = part.text(Some("public.\"P 1\""), true);
        assert!(closed.starts_with("UPDATE ONLY public.\"P 1\" cv SET"), "{closed}");
        assert!(closed.contains("cv.id >= $1 AND cv.id <= $2"), "{closed}");
    }

    #[test]
    fn a_name_without_alias_stays_what_it_is_called() {
        let shape =
            Shape::of("DELETE FROM app.\"T\" WHERE $1 < \"T\".id AND id <= $2", &directive(&["id"])).unwrap();
        let text = shape.parts[0].text(Some("app.t_1"), true);
        assert_eq!(text, "DELETE FROM ONLY app.t_1 AS \"T\" WHERE $1 <= \"T\".id AND id <= $2");
    }

    #[test]
    fn composite_keys_are_rows() {
        let sql = "UPDATE t SET n = n + 1 WHERE (a, b) > ($1, $2) AND (a, b) <= ($3, $4)";
        let shape = Shape::of(sql, &directive(&["a", "b"])).unwrap();
        assert!(!shape.striped && shape.parts[0].guard.is_none());
        assert!(shape.parts[0].text(None, true).contains("(a, b) >= ($1, $2) AND (a, b) <= ($3, $4)"));
        let turned = "UPDATE t SET n = 1 WHERE ($1, $2) < (a, b) AND (a, b) <= ($3, $4)";
        let shape = Shape::of(turned, &directive(&["a", "b"])).unwrap();
        assert!(shape.parts[0].text(None, true).contains("($1, $2) <= (a, b)"));
    }

    #[test]
    fn what_is_no_batch_is_refused_with_the_way_out() {
        let refused = |sql: &str| Shape::of(sql, &directive(&["id"])).unwrap_err();
        assert!(refused("UPDATE t SET a = 1").contains("id > $1"));
        assert!(refused("UPDATE t SET a = 1 WHERE id >= $1 AND id <= $2").contains("exclusive"));
        assert!(refused("UPDATE t SET a = 1 WHERE id <> $1 AND id <= $2").contains("exclusive"));
        assert!(refused("UPDATE t SET a = $3 WHERE id > $1 AND id <= $2").contains("this statement has 3"));
        assert!(refused("-- nothing").contains("no statement"));
    }

    #[test]
    fn a_guard_is_never_guessed() {
        let guard = |sql: &str| Shape::of(sql, &directive(&["id"])).unwrap().parts[0].guard.clone();
        assert_eq!(
            guard("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND a IS NULL").as_deref(),
            Some("a IS NULL")
        );
        assert_eq!(guard("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND b IS NULL"), None);
        assert_eq!(guard("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND a IS NULL OR b"), None);
        assert_eq!(guard("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND (a IS NULL)"), None);
        assert_eq!(guard("UPDATE t SET a = 1 FROM u WHERE id > $1 AND id <= $2 AND u.a IS NULL"), None);
    }
}
