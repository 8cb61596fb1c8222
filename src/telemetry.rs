//! Logs: human-readable lines on a terminal, JSON lines elsewhere or on request, always on stderr.

use clap::{Args, ValueEnum};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

#[derive(Debug, Clone, Args)]
pub struct LogConfig {
    /// What is logged: a level, or `target=level` pairs separated by commas
    #[arg(long, env = "AUTODENOISE_LOG", default_value = "info,sqlx=warn", value_name = "FILTER", global = true)]
    pub log: String,

    /// How lines look [default: text on a terminal, else json]
    #[arg(long, env = "AUTODENOISE_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
#[error("--log `{filter}` is not a filter: {source}")]
pub struct LogFilterError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Sets the process's logger; call once.
pub fn init(config: &LogConfig) -> Result<(), LogFilterError> {
    let filter =
        EnvFilter::try_new(&config.log).map_err(|source| LogFilterError { filter: config.log.clone(), source })?;
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
    tracing_subscriber::registry().with(filter).with(layer).init();
    Ok(())
}
