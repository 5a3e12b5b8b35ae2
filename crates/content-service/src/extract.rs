//! Extractors that reject with [`ApiError`], and text checks that several resources share.

use axum::extract::{FromRequest, FromRequestParts};
use serde::{Deserialize, Serialize};

use crate::api_error::ApiError;

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub(crate) struct Body<T>(pub(crate) T);

/// The parameters of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct Path<T>(pub(crate) T);

/// The query string.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct Query<T>(pub(crate) T);

/// Default number of rows per page.
const DEFAULT_LIMIT_ROWS: i64 = 50;
/// Maximum number of rows per page.
const MAX_LIMIT_ROWS: i64 = 500;

/// Keyset paging: `?limit=50&before=<next of the previous page>`. Newest first.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    limit: Option<i64>,
    before: Option<i64>,
}

impl Paging {
    /// The number of rows on the page.
    pub(crate) fn limit(&self) -> Result<i64, ApiError> {
        match self.limit.unwrap_or(DEFAULT_LIMIT_ROWS) {
            limit @ 1..=MAX_LIMIT_ROWS => Ok(limit),
            _ => Err(ApiError::Invalid(format!("limit must be from 1 to {MAX_LIMIT_ROWS}"))),
        }
    }

    /// The exclusive upper bound of the rows' keys.
    pub(crate) fn before(&self) -> i64 {
        self.before.unwrap_or(i64::MAX)
    }
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// The value of `?before=` for the next page; null on the last one.
    next: Option<i64>,
}

impl<T> Page<T> {
    /// Creates a page from up to `limit` + 1 rows: the extra row only means that there is a next page.
    pub(crate) fn new(mut items: Vec<T>, limit: i64, key: impl Fn(&T) -> i64) -> Page<T> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(key);
        Page { items, next }
    }
}

/// Checks that a text is not empty and has at most `most` characters.
pub(crate) fn require_text(field: &str, text: &str, most: usize) -> Result<(), ApiError> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        Err(ApiError::Invalid(format!("{field} must not be empty")))
    } else if length > most {
        Err(ApiError::Invalid(format!("{field} has {length} characters; the maximum is {most}")))
    } else {
        Ok(())
    }
}

/// Like [`require_text`], for an optional text.
pub(crate) fn require_text_if_given(field: &str, text: Option<&str>, most: usize) -> Result<(), ApiError> {
    text.map_or(Ok(()), |text| require_text(field, text, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_next_only_if_there_are_more_rows() {
        let page = Page::new(vec![9, 8, 7], 2, |n| *n);
        assert_eq!((page.items, page.next), (vec![9, 8], Some(8)));
        let page = Page::new(vec![9, 8], 2, |n| *n);
        assert_eq!((page.items, page.next), (vec![9, 8], None));
        assert_eq!(Page::new(Vec::<i64>::new(), 2, |n| *n).next, None);
    }

    #[test]
    fn limits_are_checked() {
        let limit = |limit| Paging { limit: Some(limit), before: None }.limit();
        assert!(limit(0).is_err() && limit(501).is_err() && limit(-1).is_err());
        assert_eq!(limit(500).unwrap(), 500);
        assert_eq!(Paging::default().limit().unwrap(), DEFAULT_LIMIT_ROWS);
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(require_text("title", "日本語", 3).is_ok());
        assert!(require_text("title", "日本語です", 3).is_err());
        assert!(require_text("title", " \t", 3).is_err());
        assert!(require_text_if_given("title", None, 3).is_ok());
    }
}
