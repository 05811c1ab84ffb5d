//! What all writes have in common: the provider's answer goes into the tables before the caller
//! gets it. A failure after the provider accepted the write is a warning, never an error, because
//! an error would make callers send the write again.

use serde::{Deserialize, Serialize};
use syncline_model::Records;
use syncline_providers::capabilities::WriteResult;
use utoipa::ToSchema;

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    remote::Remote,
};

/// The body of a write.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Given<T> {
    pub(super) record: T,
}

#[derive(Serialize, ToSchema)]
#[schema(as = created)]
pub(crate) struct Created {
    record: CreatedRecord,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = created_record)]
pub(crate) struct CreatedRecord {
    pub(super) id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = updated)]
pub(crate) struct Updated {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) warnings: Vec<Warning>,
}

/// Something that was requested and not done, though the write succeeded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = warning)]
pub(crate) struct Warning {
    title: String,
    detail: String,
    problem_type: &'static str,
}

impl Warning {
    /// The provider did only a part of what was requested.
    fn partial(detail: String) -> Self {
        Self {
            title: "Not everything was written".to_owned(),
            detail,
            problem_type: "PARTIAL_WRITE",
        }
    }

    fn not_shown() -> Self {
        Self {
            title: "The synced tables don't show the write yet".to_owned(),
            detail: "The provider took it; the next sync shows it".to_owned(),
            problem_type: "CACHE_INVALIDATION_ERROR",
        }
    }
}

impl Created {
    pub(super) async fn of(state: &AppState, remote: &Remote, wrote: WriteResult) -> Self {
        let (id, warnings) = shown(state, remote, wrote).await;
        Self {
            record: CreatedRecord { id },
            warnings,
        }
    }

    pub(super) fn with(record: CreatedRecord, warnings: Vec<Warning>) -> Self {
        Self { record, warnings }
    }

    pub(super) fn id(&self) -> &str {
        &self.record.id
    }
}

impl Updated {
    pub(super) async fn of(state: &AppState, remote: &Remote, wrote: WriteResult) -> Self {
        let (_, warnings) = shown(state, remote, wrote).await;
        Self { warnings }
    }
}

/// Warnings of what the provider didn't do.
pub(super) fn partial(left_undone: Vec<String>) -> Vec<Warning> {
    left_undone.into_iter().map(Warning::partial).collect()
}

async fn shown(state: &AppState, remote: &Remote, wrote: WriteResult) -> (String, Vec<Warning>) {
    let mut warnings = partial(wrote.warnings);
    if let Some(records) = &wrote.records {
        warnings.extend(show(state, remote, records, &[]).await);
    }
    (wrote.id, warnings)
}

/// Writes records to the tables, and removes deleted sequence states.
pub(crate) async fn show(
    state: &AppState,
    remote: &Remote,
    records: &Records,
    removed: &[String],
) -> Option<Warning> {
    let connection = remote.connection();
    let written = state
        .store
        .write_through(connection, records, removed, remote.asked_at())
        .await;
    written.err().map(|error| {
        let id = &connection.id;
        tracing::error!(
            "connection {id}: could not store a write that the provider accepted; the next sync \
             will store it: {error}"
        );
        Warning::not_shown()
    })
}

/// Requires a text that is not empty.
pub(super) fn filled(field: &str, text: &str) -> ApiResult<()> {
    if text.trim().is_empty() {
        return Err(ApiError::validation(field, "must not be empty"));
    }
    Ok(())
}

/// Requires a time that the provider understands. A date means its first moment, as in the
/// published example.
pub(super) fn time(field: &str, text: &str) -> ApiResult<String> {
    if chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() {
        return Ok(format!("{text}T00:00:00Z"));
    }
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(ApiError::validation(
            field,
            "must be an RFC 3339 time such as 2026-01-31T09:30:00Z, or a day",
        )),
    }
}
