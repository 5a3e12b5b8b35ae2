//! Extractors whose refusals are [`ApiError`]s, and the checks of texts that more than one resource needs.

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

/// Rows on a page unless the request says otherwise.
const DEFAULT_LIMIT_ROWS: i64 = 50;
/// Rows on a page at most.
const MAX_LIMIT_ROWS: i64 = 500;

/// Keyset paging: `?limit=50&before=<next of the page before>`. The newest come first.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    limit: Option<i64>,
    before: Option<i64>,
}

impl Paging {
    /// Rows on the page.
    pub(crate) fn limit(&self) -> Result<i64, ApiError> {
        match self.limit.unwrap_or(DEFAULT_LIMIT_ROWS) {
            limit @ 1..=MAX_LIMIT_ROWS => Ok(limit),
            _ => Err(ApiError::Invalid(format!("limit must be from 1 to {MAX_LIMIT_ROWS}"))),
        }
    }

    /// Only rows with a smaller key are on the page.
    pub(crate) fn before(&self) -> i64 {
        self.before.unwrap_or(i64::MAX)
    }
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// Ask for `?before=` this for the next page; null on the last one.
    next: Option<i64>,
}

impl<T> Page<T> {
    /// A page from up to `limit` + 1 rows: the one too many only tells that there is a next page.
    pub(crate) fn new(mut items: Vec<T>, limit: i64, key: impl Fn(&T) -> i64) -> Page<T> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(key);
        Page { items, next }
    }
}

/// A text that must not be empty and not be longer than `most` characters.
pub(crate) fn require_text(field: &str, text: &str, most: usize) -> Result<(), ApiError> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        Err(ApiError::Invalid(format!("{field} must not be empty")))
    } else if length > most {
        Err(ApiError::Invalid(format!("{field} has {length} characters, at most {most} are accepted")))
    } else {
        Ok(())
    }
}

/// A text that may be missing, else as [`require_text`].
pub(crate) fn require_text_if_given(field: &str, text: Option<&str>, most: usize) -> Result<(), ApiError> {
    text.map_or(Ok(()), |text| require_text(field, text, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_whether_there_is_another() {
        let page = Page::new(vec![9, 8, 7], 2, |n| *n);
        assert_eq!((page.items, page.next), (vec![9, 8], Some(8)));
        let page = Page::new(vec![9, 8], 2, |n| *n);
        assert_eq!((page.items, page.next), (vec![9, 8], None));
        assert_eq!(Page::new(Vec::<i64>::new(), 2, |n| *n).next, None);
    }

    #[test]
    fn limits_have_limits() {
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
