//! The log on standard error, and spans for an OpenTelemetry collector.
//!
//! A run of migrations is a span `run`, with a span `step` for each migration: they are ordinary spans of `tracing`, so whatever a
//! service does with its own spans happens to them too.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// refinery would log each migration a second time.
const DEFAULT_FILTER: &str = "info,refinery_core=warn";

/// What is sent when the service ends.
#[derive(Default)]
pub(crate) struct Telemetry {
    #[cfg(feature = "opentelemetry")]
    provider: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// Starts the log and, with the feature `opentelemetry` and `OTEL_EXPORTER_OTLP_ENDPOINT`, the export of spans.
///
/// # Errors
/// When the endpoint is not a URL.
pub(crate) fn start() -> Result<Telemetry, String> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let colors =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colors);
    let registry = tracing_subscriber::registry().with(log.with_filter(filter));
    #[cfg(feature = "opentelemetry")]
    {
        let provider = otlp::provider()?;
        let layer = provider.as_ref().map(otlp::layer);
        registry.with(layer).init();
        Ok(Telemetry { provider })
    }
    #[cfg(not(feature = "opentelemetry"))]
    {
        registry.init();
        Ok(Telemetry::default())
    }
}

#[cfg(feature = "opentelemetry")]
impl Drop for Telemetry {
    /// Sends what was not sent yet.
    fn drop(&mut self) {
        if let Some(Err(error)) = self.provider.take().map(|provider| provider.shutdown()) {
            eprintln!("content-service: the last spans were not exported: {error}");
        }
    }
}

#[cfg(feature = "opentelemetry")]
mod otlp {
    use async_trait::async_trait;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
    use tracing::Subscriber;
    use tracing_opentelemetry::OpenTelemetryLayer;
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::registry::LookupSpan;

    /// The standard variable that names the collector.
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// Seconds that a request to the collector may take.
    const TIME_LIMIT: u64 = 5;

    /// Exports spans in batches, from a thread of its own; nothing if there is no collector.
    pub(super) fn provider() -> Result<Option<SdkTracerProvider>, String> {
        if std::env::var_os(ENDPOINT).is_none_or(|value| value.is_empty()) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client)
            .with_protocol(Protocol::HttpJson)
            .build()
            .map_err(|error| format!("{ENDPOINT}: {error}"))?;
        let resource = Resource::builder().with_service_name("content-service").build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
        Ok(Some(provider.build()))
    }

    /// Turns spans of level info and above into those of OpenTelemetry.
    pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let layer: OpenTelemetryLayer<S, Tracer> =
            tracing_opentelemetry::layer().with_tracer(provider.tracer("content-service"));
        layer.with_filter(LevelFilter::INFO)
    }

    /// Sends a request and waits for the response, on the thread of the exporter.
    #[derive(Debug)]
    struct Client;

    #[async_trait]
    impl HttpClient for Client {
        async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            let mut sent = minreq::post(request.uri().to_string()).with_timeout(TIME_LIMIT);
            for (name, value) in request.headers() {
                sent = sent.with_header(name.as_str(), value.to_str()?);
            }
            let received = sent.with_body(request.into_body().to_vec()).send()?;
            Ok(Response::builder().status(received.status_code).body(received.into_bytes().into())?)
        }
    }
}
