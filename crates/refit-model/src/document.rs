//! Reads TOML into structures, as `toml::from_str` does. The deserializer of the crate `toml` is compiled anew for each structure, in
//! three ways (from tables, arrays and times); this one does with a part of the code. Its messages and positions are the same.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::vec::IntoIter;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Reads a document.
///
/// # Errors
/// For a syntax error, an unknown key or an invalid value.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Malformed> {
    let table = DeTable::parse(text)
        .map_err(|error| Malformed { message: error.message().to_owned(), span: error.span() })?;
    T::deserialize(Node { span: None, value: Value::Table(entries(table.into_inner())) })
}

/// Why a document cannot be read.
#[derive(Debug)]
pub(crate) struct Malformed {
    message: String,
    span: Option<Range<usize>>,
}

impl Malformed {
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The place in the text, in bytes.
    pub(crate) fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// The same, with a place if it has none.
    fn at(mut self, span: &Option<Range<usize>>) -> Malformed {
        if self.span.is_none() {
            self.span.clone_from(span);
        }
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Malformed {}

impl serde::de::Error for Malformed {
    fn custom<T: fmt::Display>(message: T) -> Malformed {
        Malformed { message: message.to_string(), span: None }
    }
}

struct Key {
    span: Option<Range<usize>>,
    name: Cow<'static, str>,
}

struct Node {
    span: Option<Range<usize>>,
    value: Value,
}

enum Value {
    Text(String),
    /// None is beyond all types.
    Integer(Option<i128>),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Vec<(Key, Node)>),
}

fn entries(table: DeTable<'_>) -> Vec<(Key, Node)> {
    let key = |key: Spanned<DeString<'_>>| Key {
        span: Some(key.span()),
        name: Cow::Owned(key.into_inner().into_owned()),
    };
    table.into_iter().map(|(name, value)| (key(name), node(value))).collect()
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let span = Some(value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(time) => Value::Table(vec![entry(TIME, None, Value::Text(time.to_string()))]),
        DeValue::Array(values) => Value::Array(values.into_iter().map(node).collect()),
        DeValue::Table(table) => Value::Table(entries(table)),
    };
    Node { span, value }
}

/// An integer beyond 64 bits, which no key takes.
fn too_large(number: Option<i128>, expected: &dyn Expected) -> Malformed {
    match number {
        Some(number) => {
            let found = format!("integer `{number}` as i128");
            Malformed::invalid_type(Unexpected::Other(&found), expected)
        }
        None => Malformed::custom("integer number overflowed"),
    }
}

fn entry(name: &'static str, span: Option<Range<usize>>, value: Value) -> (Key, Node) {
    (Key { span: None, name: Cow::Borrowed(name) }, Node { span, value })
}

/// The only key of the table that `toml::value::Datetime` is read from.
const TIME: &str = "$__toml_private_datetime";
/// The name of the structure that `toml::Spanned` is read from, with the fields start, end and value.
const SPANNED: &str = "$__serde_spanned_private_Spanned";

impl Node {
    /// A table with its place, if that is what is to be read; otherwise the value as it is.
    fn with_place(self, name: &str, fields: &[&'static str]) -> Node {
        let (SPANNED, [start, end, inner], Some(span)) = (name, fields, self.span.clone()) else {
            return self;
        };
        let number = |offset: usize| Value::Integer(i128::try_from(offset).ok());
        let entries = vec![
            entry(start, None, number(span.start)),
            entry(end, None, number(span.end)),
            entry(inner, self.span.clone(), self.value),
        ];
        Node { value: Value::Table(entries), span: self.span }
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Malformed;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let read = match self.value {
            Value::Text(text) => visitor.visit_string(text),
            Value::Integer(number) => {
                match number.map(|number| (i64::try_from(number), u64::try_from(number))) {
                    Some((Ok(number), _)) => visitor.visit_i64(number),
                    Some((_, Ok(number))) => visitor.visit_u64(number),
                    _ => Err(too_large(number, &visitor)),
                }
            }
            Value::Float(number) => visitor.visit_f64(number),
            Value::Boolean(value) => visitor.visit_bool(value),
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Table(entries) => visitor.visit_map(Entries { left: entries.into_iter(), value: None }),
        };
        read.map_err(|error| error.at(&self.span))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.with_place(name, fields).deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        let read = match self.value {
            Value::Text(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(Malformed::custom("wanted string or table")),
        };
        read.map_err(|error: Malformed| error.at(&self.span))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items(IntoIter<Node>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Malformed;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Malformed> {
        self.0.next().map(|node| seed.deserialize(node)).transpose()
    }
}

struct Entries {
    left: IntoIter<(Key, Node)>,
    value: Option<Node>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Malformed;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Malformed> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.value = Some(value);
        let read = match key.name {
            // `toml::Spanned` insists on it.
            Cow::Borrowed(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
            Cow::Owned(name) => seed.deserialize(name.into_deserializer()),
        };
        read.map(Some).map_err(|error: Malformed| error.at(&key.span))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Malformed> {
        let node = self.value.take().ok_or_else(|| Malformed::custom("a key without a value"))?;
        let span = node.span.clone();
        seed.deserialize(node).map_err(|error| error.at(&span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Promotions, Settings};

    fn same_as_toml<T: DeserializeOwned + PartialEq + fmt::Debug>(text: &str) {
        let expected = toml::from_str::<T>(text).map_err(|error| (error.message().to_owned(), error.span()));
        let found = read::<T>(text).map_err(|error| (error.message, error.span));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn documents_are_read_as_the_crate_toml_reads_them() {
        let texts = [
            "",
            "postgres = 15\nlock_timeout = '3s'\n[policy]\nahead = \"warn\"\n[package.base]\nfrom = 0\nto = 18\n",
            "hook = [{ on = [\"after_run\"], program = [\"notify\"] }]\n[environment.a]\napprovals = { error = 2 }\n",
            "[environment.a]\napprovals = 2\nwindows = [\"Sat,Sun 01:00-05:00 Europe/Berlin\"]\n",
            "postgres = 0x10\nmax_file_bytes = 1_000",
            "postgres = \"15\"",
            "postgres = -1",
            "postgres = 1.5",
            "postgres = true",
            "postgres = 2026-11-29",
            "postgres = [15]",
            "postgres = { a = 1 }",
            "postgres = 9223372036854775808",
            "postgres = 18446744073709551616",
            "a = 1\n",
            "lock_timeout = 5",
            "lock_timeout = \"5\"",
            "lock_timeout = { a = 1 }",
            "history_schema = ''",
            "versions = \"odd\"",
            "versions = 1",
            "policy = 3",
            "policy = \"warn\"",
            "policy = []",
            "[policy]\nchanged = \"no\"",
            "[policy]\nchange = \"warn\"",
            "[package.base]\nfrom = 0",
            "[package.base]\nfrom = \"0\"\nto = 1",
            "[lint]\nrules = { a = 5 }",
            "[[lint.path]]\npath = \"a\"",
            "[lint]\npath = [1]",
            "[environment.a]\napprovals = -1",
            "[environment.a]\napprovals = \"two\"",
            "[environment.a]\napprovals = { errors = 1 }",
            "[environment.a]\nwindows = [\"sometimes\"]",
            "[verify]\nignore_tables = \"a\"",
            "[[hook]]\non = []",
            "hook = [1]",
            "postgres = ",
            "postgres = 15\npostgres = 16",
        ];
        for text in texts {
            same_as_toml::<Settings>(text);
            same_as_toml::<Promotions>(text);
        }
        same_as_toml::<Promotions>("[staging]\nV1__a = { digest = \"a\", at = \"b\" }\n");
        same_as_toml::<Promotions>("[staging]\nV1__a = { digest = \"a\" }\n");
    }

    #[test]
    fn places_and_times_are_read() {
        type Places =
            std::collections::BTreeMap<String, Vec<Spanned<Option<Spanned<toml::value::Datetime>>>>>;
        same_as_toml::<Places>("a = [2026-11-29T09:30:00Z, 2026-11-29]\nb = []\n");
        same_as_toml::<Places>("a = [2026-11-29T09:30:00Z, 3]\n");
        same_as_toml::<Places>("a = [\"2026-11-29\"]\n");
    }
}
