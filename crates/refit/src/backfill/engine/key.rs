//! Keys: values of any type, in the server's text form.

use std::borrow::Cow;
use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// One key: the text of each of its columns.
pub type Key = Vec<String>;

/// A parameter of any type, sent as text, which the server parses like a literal; none is NULL.
#[derive(Debug)]
pub(crate) struct Text<'a>(Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    pub(crate) const NULL: Text<'static> = Text(None);

    pub(crate) fn new(text: impl Into<Cow<'a, str>>) -> Text<'a> {
        Text(Some(text.into()))
    }

    /// As a literal of SQL.
    pub(crate) fn literal(&self) -> String {
        self.0.as_deref().map_or_else(|| "NULL".to_owned(), literal)
    }
}

impl ToSql for Text<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(text) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The columns of a key in SQL: quoted, and compared as a row if there are several.
#[derive(Debug, Clone)]
pub(crate) struct KeyColumns(Vec<String>);

impl KeyColumns {
    pub(crate) fn new(columns: &[String]) -> KeyColumns {
        let quote = |column: &String| match column.as_str() {
            "ctid" => "ctid".to_owned(),
            column => quoted(column),
        };
        KeyColumns(columns.iter().map(quote).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// `a, b`, or `(a, b)` where a comparison needs a row.
    pub(crate) fn list(&self) -> String {
        self.0.join(", ")
    }

    /// `a::text, b::text`, with aliases: under the columns' names, ORDER BY would sort by the texts.
    pub(crate) fn texts(&self) -> String {
        let texts = self.0.iter().enumerate();
        let texts = texts.map(|(index, column)| format!("({column})::text AS \"refit key {index}\""));
        texts.collect::<Vec<_>>().join(", ")
    }

    /// An array of the columns' texts.
    pub(crate) fn array(&self) -> String {
        let texts = self.0.iter().map(|column| format!("({column})::text"));
        format!("ARRAY[{}]", texts.collect::<Vec<_>>().join(", "))
    }

    /// `a DESC, b DESC`.
    pub(crate) fn descending(&self) -> String {
        self.0.iter().map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ")
    }

    /// `(a, b) > ($1, $2) AND (a, b) <= ($3, $4)`: the keys of a batch, with `closed` including the lower bound.
    pub(crate) fn between(&self, closed: bool) -> String {
        let lower = self.compare(if closed { ">=" } else { ">" }, 1);
        format!("{lower} AND {}", self.compare("<=", self.len() + 1))
    }

    /// `(a, b) > ($1, $2)`, with the first parameter's number.
    fn compare(&self, operator: &str, first: usize) -> String {
        let parameters: Vec<String> =
            (first..first + self.len()).map(|number| format!("${number}")).collect();
        match self.len() {
            1 => format!("{} {operator} {}", self.0[0], parameters[0]),
            _ => format!("({}) {operator} ({})", self.list(), parameters.join(", ")),
        }
    }

    /// Whether any column is null.
    pub(crate) fn any_null(&self) -> String {
        self.0.iter().map(|column| format!("{column} IS NULL")).collect::<Vec<_>>().join(" OR ")
    }
}

/// The key in a row of text columns.
pub(crate) fn key_of(row: &tokio_postgres::Row) -> Key {
    (0..row.len()).map(|index| row.get::<_, Option<String>>(index).unwrap_or_default()).collect()
}

pub(crate) fn quoted(identifier: &str) -> String {
    postgres_protocol::escape::escape_identifier(identifier)
}

pub(crate) fn literal(text: &str) -> String {
    postgres_protocol::escape::escape_literal(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_rows_where_there_are_several_columns() {
        let one = KeyColumns::new(&["id".to_owned()]);
        assert_eq!(one.between(false), "\"id\" > $1 AND \"id\" <= $2");
        let two = KeyColumns::new(&["a".to_owned(), "B c".to_owned()]);
        assert_eq!(two.between(true), "(\"a\", \"B c\") >= ($1, $2) AND (\"a\", \"B c\") <= ($3, $4)");
        assert_eq!(two.descending(), "\"a\" DESC, \"B c\" DESC");
    }
}
