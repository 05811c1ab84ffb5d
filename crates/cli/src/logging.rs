//! Logs go to stderr; stdout is for what a command was asked to print.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// PostgreSQL notes at every start that the schema is there already.
const DEFAULT_FILTER: &str = "info,sqlx::postgres::notice=warn";

pub(crate) fn init(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // To say that a line couldn't be written would panic: it is said in the same place.
        .log_internal_errors(false);
    // A second initialisation (a demo in a test) keeps the first.
    let _ = match format {
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
}
