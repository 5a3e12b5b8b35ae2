//! Sites: domains, one of which is the default.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::api_error::ApiError;
use crate::extract::{Body, Page, Paging, Query, require_text};
use crate::state::State;

/// One site.
#[derive(Debug, Serialize)]
pub(crate) struct Site {
    id: i64,
    domain: String,
    name: String,
    is_default: bool,
    created_at: jiff::Timestamp,
}

/// The body of a request that creates a site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSite {
    domain: String,
    name: String,
    #[serde(default)]
    is_default: bool,
}

const COLUMNS: &str = "id, domain, name, is_default, created_at";

/// `GET /sites`: newest first.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Site>>, ApiError> {
    let limit = paging.limit()?;
    let client = state.connection().await?;
    let sql = format!("SELECT {COLUMNS} FROM sites WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let rows = client.query(&client.prepare_cached(&sql).await?, &[&paging.before(), &(limit + 1)]).await?;
    let sites = rows.iter().map(Site::from_row).collect::<Result<_, _>>()?;
    Ok(Json(Page::new(sites, limit, |site: &Site| site.id)))
}

/// `POST /sites`: the first site always becomes the default, because there must be one.
pub(crate) async fn create(
    Shared(state): Shared<State>,
    Body(new): Body<NewSite>,
) -> Result<(StatusCode, Json<Site>), ApiError> {
    let domain = domain(&new.domain)?;
    require_text("name", &new.name, 200)?;
    let client = state.connection().await?;
    let sql = format!(
        "INSERT INTO sites (domain, name, is_default)
         VALUES ($1, $2, $3 OR NOT EXISTS (SELECT FROM sites))
         RETURNING {COLUMNS}"
    );
    let row =
        client.query_one(&client.prepare_cached(&sql).await?, &[&domain, &new.name, &new.is_default]).await?;
    Ok((StatusCode::CREATED, Json(Site::from_row(&row)?)))
}

/// Validates a domain and converts it to lower case. Names in any script are accepted.
fn domain(text: &str) -> Result<String, ApiError> {
    require_text("domain", text, 253)?;
    let bad = |c: char| c.is_whitespace() || c.is_control() || "/:@?#\\".contains(c);
    if text.contains(bad) || text.starts_with('.') || text.contains("..") {
        return Err(ApiError::Invalid("domain must be a host name, without scheme, port or path".to_owned()));
    }
    Ok(text.to_lowercase())
}

impl Site {
    fn from_row(row: &Row) -> Result<Site, tokio_postgres::Error> {
        Ok(Site {
            id: row.try_get("id")?,
            domain: row.try_get("domain")?,
            name: row.try_get("name")?,
            is_default: row.try_get("is_default")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_lower_cased_and_urls_rejected() {
        assert_eq!(domain("WWW.Example.ORG").unwrap(), "www.example.org");
        assert_eq!(domain("Пример.example").unwrap(), "пример.example");
        for bad in ["", "  ", "https://example.org", "example.org:80", "a b", "a..b", ".org", "a\nb"] {
            assert!(domain(bad).is_err(), "{bad:?}");
        }
    }
}
