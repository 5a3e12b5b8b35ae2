//! Posts of a site. A post is created together with its first version.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use super::versions::{self, ContentType, NewVersion};
use crate::api_error::ApiError;
use crate::extract::{Body, Page, Paging, Path, Query, require_text, require_text_if_given};
use crate::state::State;

/// One post.
#[derive(Debug, Serialize)]
pub(crate) struct Post {
    id: i64,
    site_id: i64,
    slug: String,
    title: String,
    body: String,
    excerpt: Option<String>,
    published_at: Option<jiff::Timestamp>,
    created_at: jiff::Timestamp,
    updated_at: jiff::Timestamp,
}

/// The body of a request that creates a post.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPost {
    site_id: i64,
    slug: String,
    title: String,
    body: String,
    excerpt: Option<String>,
    author: Option<String>,
    published_at: Option<jiff::Timestamp>,
}

const COLUMNS: &str = "id, site_id, slug, title, body, excerpt, published_at, created_at, updated_at";

/// `GET /posts`: the posts of all sites, newest first.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Post>>, ApiError> {
    let limit = paging.limit()?;
    let client = state.connection().await?;
    let sql = format!("SELECT {COLUMNS} FROM posts WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let rows = client.query(&client.prepare_cached(&sql).await?, &[&paging.before(), &(limit + 1)]).await?;
    let posts = rows.iter().map(Post::from_row).collect::<Result<_, _>>()?;
    Ok(Json(Page::new(posts, limit, |post: &Post| post.id)))
}

/// `GET /posts/{id}`.
pub(crate) async fn read(Shared(state): Shared<State>, Path(id): Path<i64>) -> Result<Json<Post>, ApiError> {
    let client = state.connection().await?;
    let sql = format!("SELECT {COLUMNS} FROM posts WHERE id = $1");
    match client.query_opt(&client.prepare_cached(&sql).await?, &[&id]).await? {
        Some(row) => Ok(Json(Post::from_row(&row)?)),
        None => Err(ApiError::NotFound(format!("post {id}"))),
    }
}

/// `POST /posts`.
pub(crate) async fn create(
    Shared(state): Shared<State>,
    Body(new): Body<NewPost>,
) -> Result<(StatusCode, Json<Post>), ApiError> {
    require_text("slug", &new.slug, 200)?;
    require_text("title", &new.title, versions::MAX_TITLE_CHARS)?;
    require_text_if_given("excerpt", new.excerpt.as_deref(), 1000)?;
    let first = NewVersion::first(&new.title, &new.body, new.author.as_deref())?;

    let mut client = state.connection().await?;
    let transaction = client.transaction().await?;
    let sql = format!(
        "INSERT INTO posts (site_id, slug, title, body, excerpt, published_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         RETURNING {COLUMNS}"
    );
    let insert = transaction.prepare_cached(&sql).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&new.site_id, &new.slug, &new.title, &new.body, &new.excerpt, &new.published_at];
    let post = Post::from_row(&transaction.query_one(&insert, &values).await?)?;
    versions::insert_next(&transaction, ContentType::Post, post.id, &first).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(post)))
}

impl Post {
    fn from_row(row: &Row) -> Result<Post, tokio_postgres::Error> {
        Ok(Post {
            id: row.try_get("id")?,
            site_id: row.try_get("site_id")?,
            slug: row.try_get("slug")?,
            title: row.try_get("title")?,
            body: row.try_get("body")?,
            excerpt: row.try_get("excerpt")?,
            published_at: row.try_get("published_at")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}
