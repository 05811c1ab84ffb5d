//! Where a row of the tables comes from, and why it is there, missing or deleted.

use axum::{Json as JsonBody, extract::State};
use serde::Serialize;
use syncline_model::{Object, Time, object::UnknownObject};
use syncline_store::{PresenceEvent, Provenance};
use utoipa::ToSchema;

use super::connections::find_named;
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Path},
    openapi::ObjectName,
};

#[derive(Serialize, ToSchema)]
#[schema(as = provenance)]
pub(crate) struct ProvenanceBody {
    #[schema(value_type = ObjectName)]
    object: Object,
    id: String,
    is_deleted: bool,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    deleted_at: Option<Time>,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    last_modified_at: Time,
    /// Since when complete scans have not seen it. Null while they see it.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    missing_since: Option<Time>,
    /// The run that inserted it; null if that is not known.
    #[schema(required = true)]
    first_seen_by: Option<Sighting>,
    /// The newest run that read it, among the runs that are still stored.
    #[schema(required = true)]
    last_seen_by: Option<Sighting>,
    /// Oldest first.
    events: Vec<PresenceEventBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = sighting)]
struct Sighting {
    run_id: String,
    /// Null if the run is no longer stored.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    started_at: Option<Time>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = presence_event)]
struct PresenceEventBody {
    /// `missing`, `seen_again`, `held`, `deleted` or `restored`.
    event: String,
    reason: String,
    /// Null if it was a write through the unified API.
    #[schema(required = true)]
    run_id: Option<String>,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Time,
}

impl From<PresenceEvent> for PresenceEventBody {
    fn from(event: PresenceEvent) -> Self {
        Self {
            event: event.event,
            reason: event.reason,
            run_id: Some(event.run_id).filter(|id| !id.is_empty()),
            recorded_at: event.recorded_at.into(),
        }
    }
}

/// Where one row comes from: which runs saw it first and last, and when it was missing, deleted or
/// restored.
#[utoipa::path(get,
    path = "/customers/{customer_id}/connections/{provider_name}/records/{object}/{id}/provenance",
    tag = "Connections", operation_id = "getProvenance",
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name"),
        ("object" = Object, Path, description = "The kind of record"),
        ("id" = String, Path, description = "The record's id")),
    responses((status = 200, description = "The row's provenance", body = ProvenanceBody)))]
pub(crate) async fn get_provenance(
    caller: Caller,
    State(state): State<AppState>,
    Path((customer_id, provider_name, object, id)): Path<(String, String, String, String)>,
) -> ApiResult<JsonBody<ProvenanceBody>> {
    let object: Object = object
        .parse()
        .map_err(|error: UnknownObject| ApiError::validation("object", error.to_string()))?;
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    let provenance = state
        .store
        .provenance(&connection, object, &id)
        .await?
        .ok_or_else(|| ApiError::NotFound(format!("Can't find {object} with id {id}")))?;
    let Provenance {
        first_seen_by,
        last_seen_by,
        ..
    } = &provenance;
    let (first_seen_by, last_seen_by) = (
        sighting(&caller, first_seen_by.as_deref()).await?,
        sighting(&caller, last_seen_by.as_deref()).await?,
    );
    Ok(JsonBody(ProvenanceBody {
        object,
        id,
        is_deleted: provenance.is_deleted,
        deleted_at: provenance.deleted_at,
        last_modified_at: provenance.last_modified_at,
        missing_since: provenance.missing_since,
        first_seen_by,
        last_seen_by,
        events: provenance.events.into_iter().map(Into::into).collect(),
    }))
}

async fn sighting(caller: &Caller, run_id: Option<&str>) -> ApiResult<Option<Sighting>> {
    let Some(run_id) = run_id else {
        return Ok(None);
    };
    let run = caller.tenant.get_run(run_id).await?;
    Ok(Some(Sighting {
        run_id: run_id.to_owned(),
        started_at: run.map(|run| run.started_at),
    }))
}
