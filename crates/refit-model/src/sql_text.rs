//! The text of a SQL file: what is sent to the server, and how it is written in the file.
//!
//! Both are the same unless values of variables were put in place of placeholders. A text dereferences to what is sent.
//! Checksums and digests are over what is written, and positions are places in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::placeholder::{Placeholder, PlaceholderKind, placeholders};
use crate::problem::Problem;
use crate::text::Position;

/// The text of a SQL file. It dereferences to what is sent to the server.
///
/// ```
/// use refit_model::SqlText;
///
/// let text = SqlText::from("INSERT INTO sites (name) VALUES (${name});");
/// let values = [("name".to_owned(), "O'Brien".to_owned())].into();
/// let sent = text.with_values("V0001__a.sql", &values).unwrap();
/// assert_eq!(&*sent, "INSERT INTO sites (name) VALUES ('O''Brien');");
/// assert_eq!(sent.written(), &*text);
/// assert_eq!(sent.position(sent.len() - 2).column, text.len() - 1);
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SqlText {
    sent: Cow<'static, str>,
    /// What is written, if it differs.
    written: Option<Arc<Written>>,
}

#[derive(PartialEq, Eq)]
struct Written {
    text: Cow<'static, str>,
    places: Vec<Place>,
}

/// A placeholder.
#[derive(PartialEq, Eq)]
struct Place {
    kind: PlaceholderKind,
    /// Its range in the text as written.
    written: Range<usize>,
    /// The range of its value in what is sent.
    value: Range<usize>,
}

impl SqlText {
    /// A text without statements.
    pub const fn empty() -> SqlText {
        SqlText { sent: Cow::Borrowed(""), written: None }
    }

    /// The text as it is written in the file, with its placeholders.
    pub fn written(&self) -> &str {
        self.written.as_deref().map_or(&self.sent, |written| &written.text)
    }

    /// The offset in the text as written, for one in what is sent. Within a value, that of its placeholder.
    pub fn written_offset(&self, offset: usize) -> usize {
        let Some(Written { places, .. }) = self.written.as_deref() else { return offset };
        let before = places.partition_point(|place| place.value.start <= offset);
        match before.checked_sub(1).and_then(|index| places.get(index)) {
            Some(Place { written, value, .. }) if offset < value.end => written.start,
            Some(Place { written, value, .. }) => written.end + (offset - value.end),
            None => offset,
        }
    }

    /// The range in the text as written, for one in what is sent: placeholders are whole in it.
    pub fn written_range(&self, range: Range<usize>) -> Range<usize> {
        let places = self.written.as_deref().map_or(&[][..], |written| &written.places);
        let begins = places.iter().find(|place| place.value.start == range.start);
        let ends = places.iter().find(|place| place.value.start < range.end && range.end <= place.value.end);
        let start = begins.map_or_else(|| self.written_offset(range.start), |place| place.written.start);
        let end = ends.map_or_else(|| self.written_offset(range.end), |place| place.written.end);
        start..end.max(start)
    }

    /// Where raw values stand in what is sent.
    pub fn raw_values(&self) -> impl Iterator<Item = Range<usize>> {
        let places = self.written.as_deref().map_or(&[][..], |written| &written.places);
        places.iter().filter(|place| place.kind == PlaceholderKind::Raw).map(|place| place.value.clone())
    }

    /// The position in the file, for an offset in what is sent.
    pub fn position(&self, offset: usize) -> Position {
        Position::of(self.written(), self.written_offset(offset))
    }

    /// The same text with these values in place of its placeholders, whatever values it has. `path` names the file in
    /// problems.
    ///
    /// # Errors
    /// The malformed placeholders, and those whose variable has no value, or one that the placeholder cannot take.
    pub fn with_values(
        &self,
        path: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<SqlText, Vec<Problem>> {
        let text = self.written();
        let placeholders = placeholders(path, text)?;
        if placeholders.is_empty() {
            return Ok(self.clone());
        }
        let (mut sent, mut places, mut copied) = (String::with_capacity(text.len()), Vec::new(), 0);
        let mut problems = Vec::new();
        for Placeholder { name, kind, range } in placeholders {
            sent.push_str(&text[copied..range.start]);
            let start = sent.len();
            match values.get(name).ok_or_else(|| unset(name)).and_then(|value| quoted(name, kind, value)) {
                Ok(value) => sent.push_str(&value),
                Err((message, fix)) => {
                    problems.push(Problem::new(path, message, fix).at(Position::of(text, range.start)));
                }
            }
            copied = range.end;
            places.push(Place { kind, written: range, value: start..sent.len() });
        }
        sent.push_str(&text[copied..]);
        if !problems.is_empty() {
            return Err(problems);
        }
        let text = match &self.written {
            Some(written) => written.text.clone(),
            None => self.sent.clone(),
        };
        Ok(SqlText { sent: Cow::Owned(sent), written: Some(Arc::new(Written { text, places })) })
    }
}

impl Deref for SqlText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.sent
    }
}

impl AsRef<str> for SqlText {
    fn as_ref(&self) -> &str {
        self
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for SqlText {
    fn from(text: T) -> SqlText {
        SqlText { sent: text.into(), written: None }
    }
}

/// As it is sent.
impl PartialEq<&str> for SqlText {
    fn eq(&self, text: &&str) -> bool {
        **self == **text
    }
}

/// As it is sent.
impl fmt::Display for SqlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// As it is written, without values.
impl fmt::Debug for SqlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.written(), f)
    }
}

/// As it is written, without values.
impl Serialize for SqlText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.written())
    }
}

/// Message and fix.
type Refusal = (String, String);

fn unset(name: &str) -> Refusal {
    (
        format!("the variable `{name}` has no value"),
        format!("give it one in refit.toml, or with `--var {name}=VALUE`"),
    )
}

fn quoted(name: &str, kind: PlaceholderKind, value: &str) -> Result<String, Refusal> {
    let refused =
        |why: &str| Err((format!("the value of `{name}` {why}"), "give it another value".to_owned()));
    if value.contains('\0') {
        return refused("contains a NUL byte, which PostgreSQL cannot store");
    }
    match kind {
        PlaceholderKind::Raw => Ok(value.to_owned()),
        PlaceholderKind::Identifier if value.is_empty() || value.len() > 63 => {
            refused("is used as an identifier, and must have 1 to 63 bytes")
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
    use crate::statement::{significant_tokens, split_statements};

    fn sent(text: &str, value: &str) -> Result<SqlText, Vec<Problem>> {
        let values = ["a", "p"].map(|name| (name.to_owned(), value.to_owned())).into();
        SqlText::from(text.to_owned()).with_values("V1__x.sql", &values)
    }

    fn refusal(text: &str, value: &str) -> String {
        sent(text, value).unwrap_err()[0].to_string()
    }

    #[test]
    fn values_are_quoted_by_kind() {
        let all = "SELECT ${a}, ${a:ident}, ${a:raw};";
        assert_eq!(&*sent(all, "x").unwrap(), "SELECT 'x', \"x\", x;");
        assert_eq!(&*sent("SELECT ${a};", "it's \\' x").unwrap(), "SELECT E'it''s \\\\'' x';");
        assert_eq!(&*sent("TABLE ${a:ident};", "a\"; --").unwrap(), "TABLE \"a\"\"; --\";");
        assert_eq!(sent("SELECT ${b}, ${c}", "x").unwrap_err().len(), 2);
        assert!(refusal("SELECT\n ${b}", "x").starts_with("V1__x.sql:2:2: the variable `b` has no value"));
        assert!(refusal(all, "a\0").starts_with("V1__x.sql:1:8: the value of `a` contains a NUL byte"));
        for name in ["", &"x".repeat(64)] {
            assert!(refusal("TABLE ${a:ident}", name).contains("must have 1 to 63 bytes"));
        }
    }

    #[test]
    fn other_values_can_be_put_in_their_place() {
        let first = sent("SELECT ${a}, ${a:raw}", "1").unwrap();
        let values = [("a".to_owned(), "2".to_owned())].into();
        assert_eq!(&*first.with_values("V1__x.sql", &values).unwrap(), "SELECT '2', 2");
    }

    #[test]
    fn places_are_those_of_the_text_as_written() {
        let text = "SELECT ${a},\n  b, ${a} c";
        for value in ["", "a value that is longer\nthan its placeholder"] {
            let sent = sent(text, value).unwrap();
            for word in ["SELECT", "b,", " c"] {
                let place = sent.rfind(word).unwrap();
                assert_eq!(sent.written_offset(place), text.rfind(word).unwrap(), "{word}");
            }
            assert_eq!(sent.written_offset(8), 7, "within the first value");
            assert_eq!(sent.written_range(7..9), 7..11, "a part of it");
            assert_eq!(sent.written_range(0..sent.len()), 0..text.len());
            assert_eq!(sent.written_offset(sent.len()), text.len());
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
            let tokens = significant_tokens(&sent);
            prop_assert_eq!(tokens.len(), plain.len());
            prop_assert_eq!(tokens.last(), plain.last());
            prop_assert_eq!(split_statements(&sent).len(), 2);
        }
    }
}
