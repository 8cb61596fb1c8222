//! Logs: human-readable lines on a terminal, JSON lines elsewhere or on request, always on stderr. With the feature `otel`
//! spans go to an OpenTelemetry collector too.

use clap::{Args, ValueEnum};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

const LOGGING: &str = "Logging";

#[derive(Debug, Clone, Args)]
pub struct LogConfig {
    /// What to log: a level, or `target=level` pairs separated by commas
    #[arg(
        long,
        env = "AUTODENOISE_LOG",
        default_value = "info,sqlx=warn,object_store=warn",
        value_name = "FILTER",
        help_heading = LOGGING,
        global = true
    )]
    pub log: String,

    /// The form of log lines [default: text on a terminal, else json]
    #[arg(long, env = "AUTODENOISE_LOG_FORMAT", value_name = "FORMAT", help_heading = LOGGING, global = true)]
    pub log_format: Option<LogFormat>,

    /// Collector that spans are sent to (OTLP over HTTP), for example http://127.0.0.1:4318
    #[cfg(feature = "otel")]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", help_heading = LOGGING, global = true)]
    pub otlp_endpoint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("--log `{filter}` is not a filter: {source}")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[cfg(feature = "otel")]
    #[error("spans cannot be sent to --otlp-endpoint `{endpoint}`: {source}")]
    Exporter { endpoint: String, source: opentelemetry_otlp::ExporterBuildError },
}

/// Logging of the process. What waits to be sent goes out when it is dropped, so it lives as long as `main`.
#[must_use]
pub struct Telemetry {
    #[cfg(feature = "otel")]
    spans: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// Sets the process's logger; call once.
pub fn init(config: &LogConfig) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|source| TelemetryError::Filter { filter: config.log.clone(), source })?;
    let format = config.log_format.unwrap_or(match std::io::stderr().is_terminal() {
        true => LogFormat::Text,
        false => LogFormat::Json,
    });
    let mut layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if !std::io::stderr().is_terminal() {
        layer.set_ansi(false);
    }
    let layer = match format {
        LogFormat::Text => layer.with_target(false).boxed(),
        // Span fields are flattened into each line, so that a job's id stands on every line of it.
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let registry = tracing_subscriber::registry().with(filter).with(layer);
    #[cfg(feature = "otel")]
    {
        let spans = config.otlp_endpoint.as_deref().map(otel::provider).transpose()?;
        registry.with(spans.as_ref().map(otel::layer)).init();
        Ok(Telemetry { spans })
    }
    #[cfg(not(feature = "otel"))]
    {
        registry.init();
        Ok(Telemetry {})
    }
}

#[cfg(feature = "otel")]
mod otel {
    //! Spans to a collector: batches of protobuf over HTTP, from a thread of their own.

    use super::TelemetryError;
    use opentelemetry::{KeyValue, trace::TracerProvider};
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
    use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
    use tracing::Subscriber;
    use tracing_subscriber::{Layer, registry::LookupSpan};

    pub(super) fn provider(endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()
            .map_err(|source| TelemetryError::Exporter { endpoint: endpoint.to_owned(), source })?;
        let resource = Resource::builder()
            .with_service_name("autodenoise")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
    }

    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(spans: &SdkTracerProvider) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer().with_tracer(spans.tracer("autodenoise"))
    }

    impl Drop for super::Telemetry {
        fn drop(&mut self) {
            if let Some(Err(error)) = self.spans.as_ref().map(SdkTracerProvider::shutdown) {
                eprintln!("spans were lost: {error}");
            }
        }
    }
}
