//! The routes and middleware of the service.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;

use crate::api_error::{ApiError, BODY_LIMIT_BYTES};
use crate::handlers::{health, metrics, pages, posts, sites, versions};
use crate::state::{Phase, State};

/// Creates the router of the service.
pub fn router(state: State) -> Router {
    let api = Router::new()
        .route("/sites", get(sites::list).post(sites::create))
        .route("/posts", get(posts::list).post(posts::create))
        .route("/posts/{id}", get(posts::read))
        .route("/pages", get(pages::list).post(pages::create))
        .route("/pages/{id}", get(pages::read))
        .route("/content/{type}/{id}/versions", get(versions::list).post(versions::create))
        .route("/content/{type}/{id}/versions/{number}", get(versions::read))
        .route_layer(middleware::from_fn_with_state(state.clone(), only_when_migrated));
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .merge(api)
        .fallback(async || ApiError::NotFound("such path".to_owned()))
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .layer(middleware::from_fn(log_request))
        .with_state(state)
}

/// Rejects requests until the schema is what this binary expects, because the handlers rely on it. Requests that arrive
/// while the service stops are still answered.
async fn only_when_migrated(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match state.phase() {
        Phase::Migrating => Err(ApiError::NotReady("the schema is being migrated")),
        Phase::Serving | Phase::Stopping => Ok(next.run(request).await),
    }
}

async fn log_request(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let start = std::time::Instant::now();
    let response = next.run(request).await;
    let (status, elapsed) = (response.status().as_u16(), start.elapsed());
    tracing::debug!(%method, path, status, ?elapsed, "answered");
    response
}
