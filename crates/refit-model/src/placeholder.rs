//! Placeholders: `${name}` in a SQL text, which stands for the value of a variable.
//!
//! They are found among tokens, and a value is quoted as its kind says (`sql_text`). Only a raw value can therefore
//! change how the text around it is read.

use std::ops::Range;

use squawk_lexer::{LiteralKind, TokenKind};

use crate::problem::Problem;
use crate::statement::{Lexeme, lexemes};
use crate::text::Position;

/// How the value of a placeholder is written into the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceholderKind {
    /// `${name}`: a string literal.
    Literal,
    /// `${name:ident}`: a quoted identifier.
    Identifier,
    /// `${name:raw}`: the value as it is.
    Raw,
}

/// A placeholder of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder<'a> {
    /// The name of the variable.
    pub name: &'a str,
    /// How its value is quoted.
    pub kind: PlaceholderKind,
    /// The place in the text, from `$` to `}`, in bytes.
    pub range: Range<usize>,
}

/// The placeholders of a text, in order.
///
/// A comment has none. In a string, a quoted identifier or a dollar-quoted body, what looks like one is a problem: the
/// server would read a quoted value there differently. `path` names the file in problems.
///
/// ```
/// use refit_model::{PlaceholderKind, placeholders};
///
/// let found = placeholders("V0001__a.sql", "GRANT SELECT ON posts TO ${reader:ident}; -- not ${this}").unwrap();
/// assert_eq!((found[0].name, found[0].kind), ("reader", PlaceholderKind::Identifier));
/// assert_eq!(found.len(), 1);
/// ```
///
/// # Errors
/// Every problem of the text, each with its position.
pub fn placeholders<'a>(path: &str, text: &'a str) -> Result<Vec<Placeholder<'a>>, Vec<Problem>> {
    if !text.contains("${") {
        return Ok(Vec::new());
    }
    let closed = closed_tokens(text);
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (at, _) in text.match_indices("${") {
        let around = closed.partition_point(|token| token.range.start <= at).checked_sub(1);
        let around = around.and_then(|index| closed.get(index)).filter(|token| at < token.range.end);
        let outcome = match around.map(|token| token.what) {
            Some(None) => continue,
            // A part of the tag: `$${1,2}$$` is an array.
            Some(Some(_)) if around.is_some_and(|token| at < token.body) => continue,
            Some(Some(what)) => match read(text, at) {
                Ok(placeholder) => Err(within(what, &placeholder)),
                Err(_) => continue,
            },
            None => read(text, at).and_then(|placeholder| alone(text, &closed, placeholder)),
        };
        match outcome {
            Ok(placeholder) => found.push(placeholder),
            Err((message, fix)) => {
                problems.push(Problem::new(path, message, fix).at(Position::of(text, at)));
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// A token in which no placeholder is replaced.
struct Closed {
    range: Range<usize>,
    /// Where its text begins: behind the opening tag of a dollar-quoted string.
    body: usize,
    /// What it is; `None` for a comment.
    what: Option<&'static str>,
}

fn closed_tokens(text: &str) -> Vec<Closed> {
    let closed = |Lexeme { kind, start, end }: Lexeme| {
        let (body, what) = match kind {
            TokenKind::LineComment | TokenKind::BlockComment { .. } => (start, None),
            TokenKind::QuotedIdent { .. } => (start, Some("quoted identifier")),
            TokenKind::Literal { kind: LiteralKind::DollarQuotedString { .. } } => {
                let tag = text[start + 1..end].find('$').map_or(end, |length| start + length + 2);
                (tag, Some("dollar-quoted string"))
            }
            TokenKind::Literal {
                kind:
                    LiteralKind::Str { .. }
                    | LiteralKind::NationalStr { .. }
                    | LiteralKind::EscStr { .. }
                    | LiteralKind::UnicodeEscStr { .. }
                    | LiteralKind::BitStr { .. }
                    | LiteralKind::ByteStr { .. },
            } => (start, Some("string")),
            _ => return None,
        };
        Some(Closed { range: start..end, body, what })
    };
    lexemes(text).filter_map(closed).collect()
}

/// Message and fix.
type Refusal = (String, String);

/// Reads the placeholder that begins at `at`.
fn read(text: &str, at: usize) -> Result<Placeholder<'_>, Refusal> {
    let malformed = |what: String| {
        let fix = "write `${name}` for a literal, `${name:ident}` for an identifier, `${name:raw}` for SQL";
        Err((what, fix.to_owned()))
    };
    let rest = &text[at + 2..];
    let line = rest.split('\n').next().unwrap_or(rest);
    let Some(end) = line.find('}') else { return malformed("this placeholder is not closed".to_owned()) };
    let inner = &rest[..end];
    let (name, kind) = inner.split_once(':').map_or((inner, None), |(name, kind)| (name, Some(kind)));
    if !is_variable_name(name) {
        return malformed("this placeholder has no valid name: letters, digits and `_`".to_owned());
    }
    let kind = match kind {
        None => PlaceholderKind::Literal,
        Some("ident") => PlaceholderKind::Identifier,
        Some("raw") => PlaceholderKind::Raw,
        Some(_) => return malformed(format!("the placeholder `{name}` has an unknown kind")),
    };
    Ok(Placeholder { name, kind, range: at..at + 2 + end + 1 })
}

/// Whether a variable can have this name: ASCII letters, digits and `_`, not beginning with a digit.
pub fn is_variable_name(name: &str) -> bool {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn within(what: &str, placeholder: &Placeholder<'_>) -> Refusal {
    let name = placeholder.name;
    let message = format!("placeholders are not replaced inside a {what}");
    let fix = format!(
        "write `${{{name}}}` outside of the quotes, joined with `||` or passed to `format`; for the text itself, write \
         `'$' || '{{{name}}}'`"
    );
    (message, fix)
}

/// The placeholder, if what stands directly beside it cannot become one token with its value.
fn alone<'a>(
    text: &'a str,
    closed: &[Closed],
    placeholder: Placeholder<'a>,
) -> Result<Placeholder<'a>, Refusal> {
    let Range { start, end } = placeholder.range;
    let joins = |character: char| {
        character.is_alphanumeric() || !character.is_ascii() || ['_', '$', '\'', '"'].contains(&character)
    };
    // `U&"…"` has escapes.
    let touches = text[..start].ends_with(|character| joins(character) || character == '&')
        || text[end..].starts_with(joins);
    if placeholder.kind != PlaceholderKind::Raw && touches {
        let message = format!("the placeholder `{}` touches another word or quote", placeholder.name);
        return Err((message, "put space or an operator in between".to_owned()));
    }
    if placeholder.kind == PlaceholderKind::Literal && continues(text, closed, end) {
        let message =
            format!("the string after the placeholder `{}` would continue its value", placeholder.name);
        return Err((message, "write `||` in between".to_owned()));
    }
    Ok(placeholder)
}

/// Whether the next token after `end` is a string, or a placeholder for one: two strings on separate lines are one.
fn continues(text: &str, closed: &[Closed], mut end: usize) -> bool {
    loop {
        end += text[end..].len() - text[end..].trim_start().len();
        let comment = closed.iter().find(|token| token.what.is_none() && token.range.start == end);
        match comment {
            Some(comment) => end = comment.range.end,
            None => {
                let is_literal = |next: Placeholder<'_>| next.kind == PlaceholderKind::Literal;
                let rest = &text[end..];
                return rest.starts_with('\'')
                    || rest.starts_with("${") && read(text, end).is_ok_and(is_literal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Result<Vec<(&str, PlaceholderKind)>, Vec<String>> {
        let found = placeholders("V1__x.sql", text);
        let found = found.map(|found| found.into_iter().map(|one| (one.name, one.kind)).collect());
        found.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_kind_is_read() {
        use PlaceholderKind::{Identifier, Literal, Raw};
        let text =
            "SELECT ${a}, (${b_2}) FROM ${s:ident}.${t:ident} WHERE x${more:raw} AND y=${a} ${end:raw};";
        let expected = [
            ("a", Literal),
            ("b_2", Literal),
            ("s", Identifier),
            ("t", Identifier),
            ("more", Raw),
            ("a", Literal),
            ("end", Raw),
        ];
        assert_eq!(read_all(text).unwrap(), expected);
    }

    #[test]
    fn comments_and_dollar_quoted_arrays_have_none() {
        for text in
            ["-- ${a}\n/* ${b /* ${c} */ */ SELECT 1", "SELECT $${1,2}$$", "SELECT $x${}$x$, '${', '$ {a}'"]
        {
            assert_eq!(read_all(text).unwrap(), [], "{text}");
        }
    }

    #[test]
    fn quotes_and_malformed_placeholders_are_refused() {
        for (text, expected) in [
            ("SELECT '${a}'", "V1__x.sql:1:9: placeholders are not replaced inside a string"),
            ("SELECT\n E'\\'${a:raw}'", "V1__x.sql:2:6: placeholders are not replaced inside a string"),
            ("SELECT \"${a}\"", "V1__x.sql:1:9: placeholders are not replaced inside a quoted identifier"),
            (
                "DO $$ SELECT ${a} $$",
                "V1__x.sql:1:14: placeholders are not replaced inside a dollar-quoted string",
            ),
            ("SELECT ${}", "V1__x.sql:1:8: this placeholder has no valid name"),
            ("SELECT ${a b}", "V1__x.sql:1:8: this placeholder has no valid name"),
            ("SELECT ${1a}", "V1__x.sql:1:8: this placeholder has no valid name"),
            ("SELECT ${a\n}", "V1__x.sql:1:8: this placeholder is not closed"),
            ("SELECT ${a:identifier}", "V1__x.sql:1:8: the placeholder `a` has an unknown kind"),
            ("SELECT E${a}", "V1__x.sql:1:9: the placeholder `a` touches another word"),
            ("SELECT U&${a:ident}", "V1__x.sql:1:10: the placeholder `a` touches another word"),
            ("SELECT x_${a:ident}", "V1__x.sql:1:10: the placeholder `a` touches another word"),
            ("SELECT ${a}'b'", "V1__x.sql:1:8: the placeholder `a` touches another word"),
            ("SELECT ${a} -- c\n 'b\\'", "V1__x.sql:1:8: the string after the placeholder `a`"),
            ("SELECT ${a}\n${b}", "V1__x.sql:1:8: the string after the placeholder `a`"),
        ] {
            let problems = read_all(text).unwrap_err();
            assert!(
                problems[0].starts_with(expected) && problems[0].contains("fix: "),
                "{text}: {problems:#?}"
            );
        }
        assert_eq!(read_all("SELECT ${}, '${a}', ${b:x}").unwrap_err().len(), 3);
    }
}
