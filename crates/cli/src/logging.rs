//! Logs go to stderr; stdout is for the output of commands.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// PostgreSQL logs a notice at every start that the schema exists, and `rmcp` three lines for every
/// request of an agent.
const DEFAULT_FILTER: &str = "info,sqlx::postgres::notice=warn,rmcp=warn";

pub(crate) fn init(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // Reporting a failed log write would panic, because stderr is where it is reported.
        .log_internal_errors(false);
    // A second call (a demo in a test) has no effect.
    let _ = match format {
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
}
