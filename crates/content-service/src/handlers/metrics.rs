//! `/metrics`: available from the start, so that long migrations can be monitored.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::api_error::ApiError;

/// `GET /metrics`: metrics in the Prometheus text format.
pub(crate) async fn metrics() -> Result<String, ApiError> {
    match recorder() {
        Some(recorder) => {
            recorder.run_upkeep();
            Ok(recorder.render())
        }
        None => Err(ApiError::NotFound("such path: this process records its metrics elsewhere".to_owned())),
    }
}

/// The recorder of the process, installed at the first call; none if another one is already installed.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().install_recorder();
        if let Err(error) = &recorder {
            tracing::warn!(%error, "cannot install the metrics recorder");
        }
        refit::describe_metrics();
        recorder.ok()
    };
    RECORDER.get_or_init(install).as_ref()
}
