//! Versions: every saved state of a post or a page, numbered from 1 without gaps.
//!
//! Saving a version also updates the row of the post or page, which serialises concurrent saves. The highest number is
//! read by a separate statement *after* the row is locked: a single statement would use the snapshot from before the wait.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use deadpool_postgres::Transaction;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::api_error::ApiError;
use crate::extract::{Body, Page, Paging, Path, Query, require_text_if_given};
use crate::state::State;

/// Maximum length of a title, in characters.
pub(crate) const MAX_TITLE_CHARS: usize = 300;
/// Maximum size of a body, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The type of content that a version belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// A row of `posts`.
    Post,
    /// A row of `pages`.
    Page,
}

/// One saved state.
#[derive(Debug, Serialize, Deserialize)]
pub struct Version {
    /// The identifier of the version.
    pub id: i64,
    /// `post` or `page`.
    pub content_type: String,
    /// The identifier of the post or page.
    pub content_id: i64,
    /// The number of the version, from 1 without gaps for each post and page.
    pub version_number: i32,
    /// Missing if only the body was saved, and for old imports.
    pub title: Option<String>,
    /// The text.
    pub body: String,
    /// Missing for old imports.
    pub author: Option<String>,
    /// The source; missing for versions saved before it was recorded.
    pub source: Option<Source>,
    /// When it was saved.
    pub created_at: jiff::Timestamp,
}

/// The source of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The editor of the CMS.
    Editor,
    /// A request to this service.
    #[default]
    Api,
    /// An import from another system.
    Import,
}

/// The body of a request that creates a version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVersion {
    title: Option<String>,
    body: String,
    author: Option<String>,
    #[serde(default)]
    source: Source,
}

const COLUMNS: &str = "id, content_type, content_id, version_number, title, body, author, source, created_at";

/// `GET /content/{type}/{id}/versions`: newest first, including versions of deleted content.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Path((content_type, id)): Path<(String, i64)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Version>>, ApiError> {
    let content_type = ContentType::parse(&content_type)?;
    let limit = paging.limit()?;
    let before = i32::try_from(paging.before()).unwrap_or(i32::MAX);
    let client = state.connection().await?;
    let sql = format!(
        "SELECT {COLUMNS} FROM content_versions
         WHERE content_type = $1 AND content_id = $2 AND version_number < $3
         ORDER BY version_number DESC LIMIT $4"
    );
    let statement = client.prepare_cached(&sql).await?;
    let rows = client.query(&statement, &[&content_type.name(), &id, &before, &(limit + 1)]).await?;
    if rows.is_empty() {
        let exists = client.prepare_cached(content_type.exists_sql()).await?;
        if !client.query_one(&exists, &[&id]).await?.try_get::<_, bool>(0)? {
            return Err(ApiError::NotFound(format!("{} {id}", content_type.name())));
        }
    }
    let versions = rows.iter().map(Version::from_row).collect::<Result<_, _>>()?;
    Ok(Json(Page::new(versions, limit, |version: &Version| version.version_number.into())))
}

/// `GET /content/{type}/{id}/versions/{number}`.
pub(crate) async fn read(
    Shared(state): Shared<State>,
    Path((content_type, id, number)): Path<(String, i64, i32)>,
) -> Result<Json<Version>, ApiError> {
    let content_type = ContentType::parse(&content_type)?;
    let client = state.connection().await?;
    let sql = format!(
        "SELECT {COLUMNS} FROM content_versions
         WHERE content_type = $1 AND content_id = $2 AND version_number = $3"
    );
    let statement = client.prepare_cached(&sql).await?;
    match client.query_opt(&statement, &[&content_type.name(), &id, &number]).await? {
        Some(row) => Ok(Json(Version::from_row(&row)?)),
        None => Err(ApiError::NotFound(format!("version {number} of {} {id}", content_type.name()))),
    }
}

/// `POST /content/{type}/{id}/versions`: saves the next version, which becomes the current state.
pub(crate) async fn create(
    Shared(state): Shared<State>,
    Path((content_type, id)): Path<(String, i64)>,
    Body(new): Body<NewVersion>,
) -> Result<(StatusCode, [(header::HeaderName, HeaderValue); 1], Json<Version>), ApiError> {
    let content_type = ContentType::parse(&content_type)?;
    new.validate()?;
    let mut client = state.connection().await?;
    let transaction = client.transaction().await?;
    let update = transaction.prepare_cached(content_type.update_sql()).await?;
    if transaction.execute(&update, &[&id, &new.title, &new.body]).await? == 0 {
        return Err(ApiError::NotFound(format!("{} {id}", content_type.name())));
    }
    let version = insert_next(&transaction, content_type, id, &new).await?;
    transaction.commit().await?;
    let path = format!("/content/{}/{id}/versions/{}", content_type.name(), version.version_number);
    let location = HeaderValue::try_from(path).map_err(|error| ApiError::Internal(error.into()))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(version)))
}

/// Inserts the next version. The caller must have locked the row of the post or page in the same transaction.
pub(crate) async fn insert_next(
    transaction: &Transaction<'_>,
    content_type: ContentType,
    id: i64,
    new: &NewVersion,
) -> Result<Version, ApiError> {
    let sql = format!(
        "INSERT INTO content_versions (content_type, content_id, version_number, title, body, author, source)
         SELECT $1, $2, coalesce(max(version_number), 0) + 1, $3, $4, $5, $6
         FROM   content_versions
         WHERE  content_type = $1 AND content_id = $2
         RETURNING {COLUMNS}"
    );
    let insert = transaction.prepare_cached(&sql).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&content_type.name(), &id, &new.title, &new.body, &new.author, &new.source.name()];
    Ok(Version::from_row(&transaction.query_one(&insert, &values).await?)?)
}

impl ContentType {
    /// The name in paths and in `content_versions.content_type`.
    pub fn name(self) -> &'static str {
        match self {
            ContentType::Post => "post",
            ContentType::Page => "page",
        }
    }

    fn parse(text: &str) -> Result<ContentType, ApiError> {
        match text {
            "post" => Ok(ContentType::Post),
            "page" => Ok(ContentType::Page),
            _ => Err(ApiError::NotFound("such content type; use post or page".to_owned())),
        }
    }

    fn exists_sql(self) -> &'static str {
        match self {
            ContentType::Post => "SELECT EXISTS (SELECT FROM posts WHERE id = $1)",
            ContentType::Page => "SELECT EXISTS (SELECT FROM pages WHERE id = $1)",
        }
    }

    fn update_sql(self) -> &'static str {
        match self {
            ContentType::Post => "UPDATE posts SET title = coalesce($2, title), body = $3 WHERE id = $1",
            ContentType::Page => "UPDATE pages SET title = coalesce($2, title), body = $3 WHERE id = $1",
        }
    }
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Editor => "editor",
            Source::Api => "api",
            Source::Import => "import",
        }
    }

    /// A value of a later release becomes None, so that the request does not fail.
    fn from_name(name: &str) -> Option<Source> {
        [Source::Editor, Source::Api, Source::Import].into_iter().find(|source| source.name() == name)
    }
}

impl NewVersion {
    /// The first version of a new post or page.
    pub(crate) fn first(title: &str, body: &str, author: Option<&str>) -> Result<NewVersion, ApiError> {
        let first = NewVersion {
            title: Some(title.to_owned()),
            body: body.to_owned(),
            author: author.map(str::to_owned),
            source: Source::Api,
        };
        first.validate().map(|()| first)
    }

    fn validate(&self) -> Result<(), ApiError> {
        require_text_if_given("title", self.title.as_deref(), MAX_TITLE_CHARS)?;
        require_text_if_given("author", self.author.as_deref(), 200)?;
        match self.body.len() {
            0..=MAX_BODY_BYTES => Ok(()),
            bytes => {
                Err(ApiError::Invalid(format!("body has {bytes} bytes; the maximum is {MAX_BODY_BYTES}")))
            }
        }
    }
}

impl Version {
    fn from_row(row: &Row) -> Result<Version, tokio_postgres::Error> {
        Ok(Version {
            id: row.try_get("id")?,
            content_type: row.try_get("content_type")?,
            content_id: row.try_get("content_id")?,
            version_number: row.try_get("version_number")?,
            title: row.try_get("title")?,
            body: row.try_get("body")?,
            author: row.try_get("author")?,
            source: row.try_get::<_, Option<&str>>("source")?.and_then(Source::from_name),
            created_at: row.try_get("created_at")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_one_name_in_json_and_in_the_database() {
        for source in [Source::Editor, Source::Api, Source::Import] {
            assert_eq!(serde_json::to_value(source).unwrap(), source.name());
            assert_eq!(Source::from_name(source.name()), Some(source));
        }
        assert_eq!(Source::from_name("telepathy"), None);
    }

    #[test]
    fn a_new_version_is_checked() {
        assert!(NewVersion::first("t", "", None).is_ok(), "an empty body is a state worth keeping");
        assert!(NewVersion::first("", "b", None).is_err());
        assert!(NewVersion::first("t", &"x".repeat(MAX_BODY_BYTES + 1), None).is_err());
        assert!(serde_json::from_str::<NewVersion>(r#"{"body": "b", "colour": "red"}"#).is_err());
    }
}
