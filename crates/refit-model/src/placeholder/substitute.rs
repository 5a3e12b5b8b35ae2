//! A text with the values of its placeholders, and where each place of it stands in the text as written.

use std::ops::Range;

use thiserror::Error;

use super::{Placeholder, PlaceholderKind};

/// A text with values instead of placeholders.
#[derive(Clone, PartialEq, Eq)]
pub struct Substituted {
    /// What the server receives. It may contain secrets.
    pub text: String,
    /// For each placeholder: its range in the text as written, and the range of its value.
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Substituted {
    /// The offset in the text as written, for an offset in the substituted one. Within a value, that of its placeholder.
    pub fn written_offset(&self, offset: usize) -> usize {
        let before = self.places.partition_point(|(_, value)| value.start <= offset);
        match before.checked_sub(1).and_then(|index| self.places.get(index)) {
            Some((written, value)) if offset < value.end => written.start,
            Some((written, value)) => written.end + (offset - value.end),
            None => offset,
        }
    }
}

/// Without the values.
impl std::fmt::Debug for Substituted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Substituted").field("places", &self.places).finish_non_exhaustive()
    }
}

/// Why a value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The variable has no value.
    #[error("the variable `{0}` has no value")]
    Unset(String),
    /// The value contains a NUL byte.
    #[error("the value of `{0}` contains a NUL byte, which PostgreSQL cannot store")]
    Nul(String),
    /// The value is empty, or longer than names are.
    #[error("the value of `{0}` is used as an identifier and must have 1 to 63 bytes")]
    Identifier(String),
}

/// Writes values into a text. `placeholders` are those of the text; `value` gives the value of a variable.
///
/// ```
/// use refit_model::{placeholders, substitute};
///
/// let text = "INSERT INTO sites (name) VALUES (${name});";
/// let found = placeholders("V0001__a.sql", text).unwrap();
/// let sent = substitute(text, &found, |_| Some("O'Brien"))?;
/// assert_eq!(sent.text, "INSERT INTO sites (name) VALUES ('O''Brien');");
/// assert_eq!(sent.written_offset(sent.text.len()), text.len());
/// # Ok::<(), refit_model::ValueError>(())
/// ```
///
/// # Errors
/// [`ValueError`] if a variable has no value, or one that its placeholder cannot take.
pub fn substitute<'v>(
    text: &str,
    placeholders: &[Placeholder<'_>],
    value: impl Fn(&str) -> Option<&'v str>,
) -> Result<Substituted, ValueError> {
    let (mut written, mut places, mut copied) = (String::with_capacity(text.len()), Vec::new(), 0);
    for placeholder in placeholders {
        let Placeholder { name, kind, range } = placeholder;
        let value = value(name).ok_or_else(|| ValueError::Unset((*name).to_owned()))?;
        written.push_str(&text[copied..range.start]);
        let start = written.len();
        written.push_str(&quoted(name, *kind, value)?);
        places.push((range.clone(), start..written.len()));
        copied = range.end;
    }
    written.push_str(&text[copied..]);
    Ok(Substituted { text: written, places })
}

fn quoted(name: &str, kind: PlaceholderKind, value: &str) -> Result<String, ValueError> {
    if value.contains('\0') {
        return Err(ValueError::Nul(name.to_owned()));
    }
    match kind {
        PlaceholderKind::Raw => Ok(value.to_owned()),
        PlaceholderKind::Identifier if value.is_empty() || value.len() > 63 => {
            Err(ValueError::Identifier(name.to_owned()))
        }
        PlaceholderKind::Identifier => Ok(format!("\"{}\"", value.replace('"', "\"\""))),
        // With a backslash, the same for either value of `standard_conforming_strings`.
        PlaceholderKind::Literal if value.contains('\\') => {
            Ok(format!("E'{}'", value.replace('\\', "\\\\").replace('\'', "''")))
        }
        PlaceholderKind::Literal => Ok(format!("'{}'", value.replace('\'', "''"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::placeholder::placeholders;
    use crate::statement::{significant_tokens, split_statements};

    fn sent(text: &str, value: &str) -> Result<Substituted, ValueError> {
        substitute(text, &placeholders("V1__x.sql", text).unwrap(), |_| Some(value))
    }

    #[test]
    fn values_are_quoted_by_kind() {
        let all = "SELECT ${a}, ${a:ident}, ${a:raw};";
        assert_eq!(sent(all, "x").unwrap().text, "SELECT 'x', \"x\", x;");
        assert_eq!(sent("SELECT ${a};", "it's \\' x").unwrap().text, "SELECT E'it''s \\\\'' x';");
        assert_eq!(sent("TABLE ${a:ident};", "a\"; --").unwrap().text, "TABLE \"a\"\"; --\";");
        let found = placeholders("V1__x.sql", all).unwrap();
        assert_eq!(substitute(all, &found, |_| None), Err(ValueError::Unset("a".to_owned())));
        assert_eq!(sent(all, "a\0").unwrap_err(), ValueError::Nul("a".to_owned()));
        for name in ["", &"x".repeat(64)] {
            assert_eq!(sent("TABLE ${a:ident}", name).unwrap_err(), ValueError::Identifier("a".to_owned()));
        }
    }

    #[test]
    fn places_are_those_of_the_text_as_written() {
        let text = "SELECT ${a},\n  b, ${a} c";
        for value in ["", "a value that is longer\nthan its placeholder"] {
            let sent = sent(text, value).unwrap();
            for word in ["SELECT", "b,", " c"] {
                let place = sent.text.rfind(word).unwrap();
                assert_eq!(sent.written_offset(place), text.rfind(word).unwrap(), "{word}");
            }
            assert_eq!(sent.written_offset(8), 7, "within the first value");
            assert_eq!(sent.written_offset(sent.text.len()), text.len());
        }
    }

    #[test]
    fn values_are_not_shown() {
        let sent = sent("ALTER ROLE a PASSWORD ${p};", "hunter2").unwrap();
        assert!(!format!("{sent:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn a_quoted_value_is_one_token(value in "[a-zA-Z$'\"();/*\\\\\\-\n ü]{1,30}") {
            let text = "SELECT 'x' ,${a} , ${a:ident}.b -- '\n, 1; SELECT 'y'";
            let sent = sent(text, &value).unwrap();
            let plain = significant_tokens("SELECT 'x' , 'v' , \"v\".b , 1; SELECT 'y'");
            let tokens = significant_tokens(&sent.text);
            prop_assert_eq!(tokens.len(), plain.len());
            prop_assert_eq!(tokens.last(), plain.last());
            prop_assert_eq!(split_statements(&sent.text).len(), 2);
        }
    }
}
