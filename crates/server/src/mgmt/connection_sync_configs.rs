//! A connection's settings in addition to its provider's sync config.
//!
//! It chooses a customer's own schema in a destination of type `postgres`. In Supaglue it also chose
//! provider objects of CRMs, which engagement providers don't have; a client that sends an empty list
//! works.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::Deserialize;
use syncline_model::{
    ConnectionSyncConfig, DestinationType,
    destination::check_schema,
    sync_config::{ConnectionDestination, ConnectionObject},
};
use syncline_store::Connection;
use utoipa::ToSchema;

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Json, ManagedConnection},
};

/// The config of the connection that the headers select.
#[utoipa::path(get, path = "/connection_sync_configs", tag = "ConnectionSyncConfigs",
    operation_id = "getConnectionSyncConfig",
    params(("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "The config", body = ConnectionSyncConfig)))]
pub(crate) async fn get_connection_sync_config(
    ManagedConnection { connection, .. }: ManagedConnection,
) -> ApiResult<JsonBody<ConnectionSyncConfig>> {
    let config = connection.sync_config.clone();
    config.map(JsonBody).ok_or_else(|| none(&connection))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = upsert_connection_sync_config)]
pub(crate) struct UpsertConnectionSyncConfig {
    /// The customer's own schema in a destination of type `postgres`.
    destination_config: Option<ConnectionDestination>,
    /// Rejected unless empty.
    standard_objects: Option<Vec<ConnectionObject>>,
    /// Rejected unless empty.
    custom_objects: Option<Vec<ConnectionObject>>,
}

/// Sets the config of the connection that the headers select.
#[utoipa::path(put, path = "/connection_sync_configs", tag = "ConnectionSyncConfigs",
    operation_id = "upsertConnectionSyncConfig", request_body = UpsertConnectionSyncConfig,
    params(("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "The config", body = ConnectionSyncConfig)))]
pub(crate) async fn upsert_connection_sync_config(
    ManagedConnection { connection, .. }: ManagedConnection,
    State(state): State<AppState>,
    Json(body): Json<UpsertConnectionSyncConfig>,
) -> ApiResult<JsonBody<ConnectionSyncConfig>> {
    let config = body.checked()?;
    state
        .store
        .set_connection_sync_config(&connection, &config)
        .await?;
    Ok(JsonBody(config))
}

/// Deletes the config of the connection that the headers select.
#[utoipa::path(delete, path = "/connection_sync_configs", tag = "ConnectionSyncConfigs",
    operation_id = "deleteConnectionSyncConfig",
    params(("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 204, description = "The config is gone")))]
pub(crate) async fn delete_connection_sync_config(
    ManagedConnection { connection, .. }: ManagedConnection,
    State(state): State<AppState>,
) -> ApiResult<StatusCode> {
    let deleted = state
        .store
        .delete_connection_sync_config(&connection)
        .await?;
    if deleted {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(none(&connection))
    }
}

impl UpsertConnectionSyncConfig {
    fn checked(self) -> ApiResult<ConnectionSyncConfig> {
        if let Some(destination) = &self.destination_config {
            if destination.r#type != DestinationType::Postgres {
                return Err(ApiError::validation(
                    "destination_config.type",
                    "must be postgres: only its schema can be chosen for a customer",
                ));
            }
            check_schema("destination_config.schema", &destination.schema)
                .map_err(|error| ApiError::validation(error.field, error.reason))?;
        }
        for (field, objects) in [
            ("standard_objects", &self.standard_objects),
            ("custom_objects", &self.custom_objects),
        ] {
            if objects.as_ref().is_some_and(|objects| !objects.is_empty()) {
                return Err(ApiError::validation(
                    field,
                    "engagement providers have common objects only; this must be empty",
                ));
            }
        }
        Ok(ConnectionSyncConfig {
            destination_config: self.destination_config,
            standard_objects: self.standard_objects,
            custom_objects: self.custom_objects,
        })
    }
}

fn none(connection: &Connection) -> ApiError {
    ApiError::NotFound(format!(
        "Connection sync config not found for customer: {} and provider: {}",
        connection.customer_id, connection.provider
    ))
}
