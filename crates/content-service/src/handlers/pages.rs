//! Pages: content at a fixed path of a site. A page is created together with its first version.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use super::versions::{self, ContentType, NewVersion};
use crate::api_error::ApiError;
use crate::extract::{Body, Page as ListPage, Paging, Path, Query, require_text};
use crate::state::State;

/// One page.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    id: i64,
    site_id: i64,
    path: String,
    title: String,
    body: String,
    created_at: jiff::Timestamp,
    updated_at: jiff::Timestamp,
}

/// The body of a request that creates a page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPage {
    site_id: i64,
    path: String,
    title: String,
    body: String,
    author: Option<String>,
}

const COLUMNS: &str = "id, site_id, path, title, body, created_at, updated_at";

/// `GET /pages`: the pages of all sites, newest first.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Query(paging): Query<Paging>,
) -> Result<Json<ListPage<Page>>, ApiError> {
    let limit = paging.limit()?;
    let client = state.connection().await?;
    let sql = format!("SELECT {COLUMNS} FROM pages WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let rows = client.query(&client.prepare_cached(&sql).await?, &[&paging.before(), &(limit + 1)]).await?;
    let pages = rows.iter().map(Page::from_row).collect::<Result<_, _>>()?;
    Ok(Json(ListPage::new(pages, limit, |page: &Page| page.id)))
}

/// `GET /pages/{id}`.
pub(crate) async fn read(Shared(state): Shared<State>, Path(id): Path<i64>) -> Result<Json<Page>, ApiError> {
    let client = state.connection().await?;
    let sql = format!("SELECT {COLUMNS} FROM pages WHERE id = $1");
    match client.query_opt(&client.prepare_cached(&sql).await?, &[&id]).await? {
        Some(row) => Ok(Json(Page::from_row(&row)?)),
        None => Err(ApiError::NotFound(format!("page {id}"))),
    }
}

/// `POST /pages`.
pub(crate) async fn create(
    Shared(state): Shared<State>,
    Body(new): Body<NewPage>,
) -> Result<(StatusCode, Json<Page>), ApiError> {
    require_text("path", &new.path, 1000)?;
    if !new.path.starts_with('/') {
        return Err(ApiError::Invalid("path must start with /".to_owned()));
    }
    require_text("title", &new.title, versions::MAX_TITLE_CHARS)?;
    let first = NewVersion::first(&new.title, &new.body, new.author.as_deref())?;

    let mut client = state.connection().await?;
    let transaction = client.transaction().await?;
    let sql =
        format!("INSERT INTO pages (site_id, path, title, body) VALUES ($1, $2, $3, $4) RETURNING {COLUMNS}");
    let insert = transaction.prepare_cached(&sql).await?;
    let row = transaction.query_one(&insert, &[&new.site_id, &new.path, &new.title, &new.body]).await?;
    let page = Page::from_row(&row)?;
    versions::insert_next(&transaction, ContentType::Page, page.id, &first).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(page)))
}

impl Page {
    fn from_row(row: &Row) -> Result<Page, tokio_postgres::Error> {
        Ok(Page {
            id: row.try_get("id")?,
            site_id: row.try_get("site_id")?,
            path: row.try_get("path")?,
            title: row.try_get("title")?,
            body: row.try_get("body")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}
