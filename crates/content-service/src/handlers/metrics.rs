//! `/metrics`: what a scraper reads, from the first moment on: a migration that takes long is to be watched.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::api_error::ApiError;

/// `GET /metrics`: in Prometheus' text format.
pub(crate) async fn metrics() -> Result<String, ApiError> {
    match recorder() {
        Some(recorder) => {
            recorder.run_upkeep();
            Ok(recorder.render())
        }
        None => Err(ApiError::NotFound("such path: this process records its metrics elsewhere".to_owned())),
    }
}

/// The process' recorder, installed when it is first asked for; none where another one was installed before.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().install_recorder();
        if let Err(error) = &recorder {
            tracing::warn!(%error, "no metrics");
        }
        refit::describe_metrics();
        recorder.ok()
    };
    RECORDER.get_or_init(install).as_ref()
}
