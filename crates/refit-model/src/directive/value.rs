//! The values of directives: the error of each reader describes the values that the key accepts.

use std::time::Duration;

use serde::Deserialize;
use toml::Value;

use crate::backfill::BackfillDirective;
use crate::file_name::{Version, version_of};
use crate::settings::parse_duration;

pub(super) fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "true or false".to_owned())
}

pub(super) fn text(value: &Value) -> Result<String, String> {
    match value.as_str().map(str::trim) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("a quoted string".to_owned()),
    }
}

pub(super) fn texts(value: &Value) -> Result<Vec<String>, String> {
    let expected = || "a list of strings, such as [\"development\", \"test\"]".to_owned();
    let items = value.as_array().filter(|items| !items.is_empty()).ok_or_else(expected)?;
    items.iter().map(|item| text(item).map_err(|_| expected())).collect()
}

pub(super) fn versions(value: &Value) -> Result<Vec<Version>, String> {
    let expected = || "a list of versions, such as [\"V0004\"]".to_owned();
    texts(value).map_err(|_| expected())?.iter().map(|item| version_of(item).ok_or_else(expected)).collect()
}

pub(super) fn one_of<T: for<'de> Deserialize<'de>>(value: &Value, expected: &str) -> Result<T, String> {
    value.clone().try_into().map_err(|_| expected.to_owned())
}

pub(super) fn duration(value: &Value) -> Result<Duration, String> {
    let expected = || "a duration from 1ms to less than a day, such as \"500ms\"".to_owned();
    parse_duration(&text(value).map_err(|_| expected())?).map_err(|_| expected())
}

pub(super) fn backfill(value: &Value) -> Result<BackfillDirective, String> {
    let shape = "a table such as { table = \"posts\", key = [\"id\"], batch = 10000, workers = 2 }";
    let directive: BackfillDirective =
        value.clone().try_into().map_err(|error: toml::de::Error| format!("{shape}: {}", error.message()))?;
    match directive.complaint() {
        Some(complaint) => Err(format!("{shape}: {complaint}")),
        None => Ok(directive),
    }
}
