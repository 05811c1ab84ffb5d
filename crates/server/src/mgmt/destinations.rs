//! Destinations: where records are written. There is only the built-in one, which can't be changed.

use axum::{Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use syncline_store::Destination;
use utoipa::ToSchema;

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path},
};

/// Supaglue's name for a destination that the service itself hosts.
const BUILT_IN_TYPE: &str = "supaglue";

#[derive(Serialize, ToSchema)]
#[schema(as = destination)]
pub(crate) struct DestinationBody {
    id: String,
    application_id: String,
    /// The name to use in sync configs.
    name: &'static str,
    /// `supaglue`: the tables of this service's own database.
    r#type: &'static str,
    version: i64,
}

impl From<Destination> for DestinationBody {
    fn from(destination: Destination) -> Self {
        Self {
            id: destination.id,
            application_id: destination.application_id,
            name: destination.name,
            r#type: BUILT_IN_TYPE,
            version: 1,
        }
    }
}

/// All destinations: the built-in one.
#[utoipa::path(get, path = "/destinations", tag = "Destinations",
    operation_id = "getDestinations",
    responses((status = 200, description = "Destinations", body = [DestinationBody])))]
pub(crate) async fn list_destinations(caller: Caller) -> JsonBody<Vec<DestinationBody>> {
    let destinations = caller.tenant.list_destinations();
    JsonBody(destinations.into_iter().map(Into::into).collect())
}

#[derive(Deserialize, ToSchema)]
#[schema(as = create_update_destination)]
pub(crate) struct DestinationSettings {
    /// `supaglue` is the only type, and its destination is always there.
    r#type: String,
}

/// Fails: the built-in destination exists already (409), and there is no other type (400).
#[utoipa::path(post, path = "/destinations", tag = "Destinations",
    operation_id = "createDestination", request_body = DestinationSettings,
    responses((status = 201, description = "Not sent yet", body = DestinationBody)))]
pub(crate) async fn create_destination(
    _: Caller,
    State(state): State<AppState>,
    Json(body): Json<DestinationSettings>,
) -> ApiResult<JsonBody<DestinationBody>> {
    body.check_type(&state)?;
    let built_in = state.store.built_in_destination();
    Err(ApiError::Conflict(format!(
        "the built-in destination '{built_in}' exists already"
    )))
}

/// One destination.
#[utoipa::path(get, path = "/destinations/{destination_id}", tag = "Destinations",
    operation_id = "getDestination",
    params(("destination_id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The destination", body = DestinationBody)))]
pub(crate) async fn get_destination(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<DestinationBody>> {
    Ok(JsonBody(find(&caller, &id)?.into()))
}

/// Fails: the built-in destination has nothing that could be changed.
#[utoipa::path(put, path = "/destinations/{destination_id}", tag = "Destinations",
    operation_id = "updateDestination", request_body = DestinationSettings,
    params(("destination_id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "Not sent yet", body = DestinationBody)))]
pub(crate) async fn update_destination(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(body): Json<DestinationSettings>,
) -> ApiResult<JsonBody<DestinationBody>> {
    let destination = find(&caller, &id)?;
    body.check_type(&state)?;
    Err(ApiError::validation(
        "type",
        format!(
            "the built-in destination '{}' has nothing to update",
            destination.name
        ),
    ))
}

impl DestinationSettings {
    fn check_type(&self, state: &AppState) -> ApiResult<()> {
        if self.r#type == BUILT_IN_TYPE {
            return Ok(());
        }
        let built_in = state.store.built_in_destination();
        Err(ApiError::validation(
            "type",
            format!(
                "destinations of type '{}' are not supported: records are written to the built-in \
                 destination '{built_in}', of type '{BUILT_IN_TYPE}'",
                self.r#type
            ),
        ))
    }
}

fn find(caller: &Caller, id: &str) -> ApiResult<Destination> {
    caller
        .tenant
        .get_destination(id)
        .ok_or_else(|| ApiError::NotFound(format!("Can't find destination with id {id}")))
}
