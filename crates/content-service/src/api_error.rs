//! Error responses: a status and `{"error": {"code", "message"}}`. A message never contains SQL, a connection string or
//! another client's data; the database's own errors go to the log.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use deadpool_postgres::PoolError;
use serde_json::json;
use tokio_postgres::error::{DbError, SqlState};

/// Maximum size of a request body, in bytes.
pub(crate) const BODY_LIMIT_BYTES: usize = 2 * 1024 * 1024;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 400: not JSON, or a malformed query or path.
    #[error("{0}")]
    Malformed(String),
    /// 404: no such path or identifier.
    #[error("there is no {0}")]
    NotFound(String),
    /// 405: the path exists but does not support the method.
    #[error("this path does not support this method")]
    Method,
    /// 409: something with this name already exists.
    #[error("{0}")]
    Conflict(String),
    /// 413: the body exceeds the limit.
    #[error("the body is larger than {} bytes", BODY_LIMIT_BYTES)]
    TooLarge,
    /// 415: the body is not sent as JSON.
    #[error("send the body as application/json")]
    MediaType,
    /// 422: well-formed but invalid.
    #[error("{0}")]
    Invalid(String),
    /// 503: the schema is not ready yet, or the service is stopping.
    #[error("{0}, try again in a moment")]
    NotReady(&'static str),
    /// 503: the database does not answer or reports a temporary error.
    #[error("the database is not available, try again in a moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// 500: a bug in this service.
    #[error("the request failed; see the log")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// The status and the error code of the response.
    pub fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed"),
            ApiError::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            ApiError::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            ApiError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            ApiError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            ApiError::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            ApiError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            ApiError::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            ApiError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
            ApiError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.kind();
        match &self {
            ApiError::Unavailable(cause) => tracing::warn!(%cause, "the database is not available"),
            ApiError::Internal(cause) => tracing::error!(%cause, "a request failed"),
            _ => {}
        }
        let body = Json(json!({ "error": { "code": code, "message": self.to_string() } }));
        let mut response = (status, body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> ApiError {
        match error {
            PoolError::Backend(error) => ApiError::Unavailable(error.into()),
            PoolError::Closed => ApiError::NotReady("the service is stopping"),
            error => ApiError::Unavailable(error.into()),
        }
    }
}

impl From<tokio_postgres::Error> for ApiError {
    fn from(error: tokio_postgres::Error) -> ApiError {
        match error.as_db_error() {
            Some(db) => match refusal(db) {
                Some(refusal) => refusal,
                None if is_transient(db.code()) => ApiError::Unavailable(describe(db).into()),
                None => ApiError::Internal(describe(db).into()),
            },
            // Without a message from the server, the connection is lost.
            None if error.is_closed()
                || std::error::Error::source(&error).is_some_and(|s| s.is::<std::io::Error>()) =>
            {
                ApiError::Unavailable(error.into())
            }
            None => ApiError::Internal(error.into()),
        }
    }
}

/// Maps errors caused by the client's data.
fn refusal(db: &DbError) -> Option<ApiError> {
    let constraint = db.constraint().unwrap_or("a constraint");
    match *db.code() {
        SqlState::UNIQUE_VIOLATION => Some(ApiError::Conflict(conflict(constraint))),
        SqlState::FOREIGN_KEY_VIOLATION => Some(ApiError::Invalid(match constraint {
            "posts_site_id_fkey" | "pages_site_id_fkey" => "there is no site with this site_id".to_owned(),
            other => format!("a referenced row does not exist ({other})"),
        })),
        SqlState::CHECK_VIOLATION => Some(ApiError::Invalid(format!("invalid value ({constraint})"))),
        // Class 22, data exception: a value that the column cannot store, such as text with U+0000.
        ref code if code.code().starts_with("22") => Some(ApiError::Invalid(db.message().to_owned())),
        _ => None,
    }
}

fn conflict(constraint: &str) -> String {
    match constraint {
        "sites_domain_key" => "a site with this domain already exists".to_owned(),
        "sites_one_default" => "there is already a default site".to_owned(),
        "posts_site_id_slug_key" => "the site already has a post with this slug".to_owned(),
        "pages_site_id_path_key" => "the site already has a page with this path".to_owned(),
        other => format!("this already exists ({other})"),
    }
}

/// Whether the same request may succeed later: connection errors (08), insufficient resources (53), server shutdown (57P),
/// serialization failures and deadlocks (40), lock and statement timeouts (55P03, 57014), a read-only server (25006).
fn is_transient(code: &SqlState) -> bool {
    let code = code.code();
    ["08", "53", "57P", "40"].iter().any(|class| code.starts_with(class))
        || ["55P03", "57014", "25006"].contains(&code)
}

fn describe(db: &DbError) -> String {
    format!("{} {}: {}", db.severity(), db.code().code(), db.message())
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> ApiError {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::MediaType,
            StatusCode::UNPROCESSABLE_ENTITY => ApiError::Invalid(rejection.body_text()),
            _ => ApiError::Malformed(rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> ApiError {
        ApiError::Malformed(rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> ApiError {
        ApiError::NotFound(format!("such path ({})", rejection.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_errors_are_recognised() {
        for code in ["08006", "53300", "57P01", "57P03", "40001", "40P01", "55P03", "57014", "25006"] {
            assert!(is_transient(&SqlState::from_code(code)), "{code}");
        }
        for code in ["42P01", "42703", "23505", "XX000", "0A000"] {
            assert!(!is_transient(&SqlState::from_code(code)), "{code}");
        }
    }

    #[test]
    fn a_503_has_a_retry_after_header() {
        let response = ApiError::NotReady("the schema is being migrated").into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn a_cause_is_logged_and_not_sent() {
        let error = ApiError::Internal("secret".into());
        assert!(!error.to_string().contains("secret"));
    }
}
