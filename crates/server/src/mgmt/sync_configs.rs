//! Sync configs: what is synced from a provider, and how often.

use axum::{Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use syncline_model::{
    Object, Object as ObjectName, ProviderName, SyncConfigData, Time,
    sync_config::InvalidSyncConfig,
};
use syncline_providers::Provider;
use syncline_store::{PendingPolicy, SyncConfig};
use utoipa::{IntoParams, ToSchema};

use super::providers::{enabled_provider, named_provider};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path, Query},
};

/// Supaglue's name for its built-in destination.
const SUPAGLUE_DESTINATION: &str = "Supaglue Managed Destination";

#[derive(Serialize, ToSchema)]
#[schema(as = sync_config)]
pub(crate) struct SyncConfigBody {
    id: String,
    application_id: String,
    destination_name: String,
    provider_name: ProviderName,
    config: SyncConfigData,
    /// Stricter store policies that are still being carried out; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pending_store_policies: Vec<PendingStorePolicy>,
}

/// More is stored of an object than its policy says, and is being removed.
#[derive(Serialize, ToSchema)]
#[schema(as = pending_store_policy)]
pub(crate) struct PendingStorePolicy {
    object: ObjectName,
    /// The number of connections; results of enrichment count as one.
    pending: i64,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    since: Time,
}

impl SyncConfigBody {
    fn with(mut self, pending: &[PendingPolicy]) -> Self {
        let own = pending.iter();
        let own = own.filter(|it| it.provider_name == self.provider_name.as_str());
        self.pending_store_policies = own
            .map(|it| PendingStorePolicy {
                object: it.object,
                pending: it.pending,
                since: it.since,
            })
            .collect();
        self
    }
}

impl From<SyncConfig> for SyncConfigBody {
    fn from(config: SyncConfig) -> Self {
        Self {
            id: config.id,
            application_id: config.application_id,
            destination_name: config.destination_name,
            provider_name: config.provider,
            config: config.config,
            pending_store_policies: Vec::new(),
        }
    }
}

/// All sync configs, by provider.
#[utoipa::path(get, path = "/sync_configs", tag = "SyncConfigs", operation_id = "getSyncConfigs",
    responses((status = 200, description = "Sync configs", body = [SyncConfigBody])))]
pub(crate) async fn list_sync_configs(caller: Caller) -> ApiResult<JsonBody<Vec<SyncConfigBody>>> {
    let pending = caller.tenant.pending_policies().await?;
    let configs = caller.tenant.list_sync_configs().await?.into_iter();
    let body = |config| SyncConfigBody::from(config).with(&pending);
    Ok(JsonBody(configs.map(body).collect()))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = create_sync_config)]
pub(crate) struct CreateSyncConfig {
    /// The name of a destination; the built-in one is `Syncline`.
    destination_name: String,
    /// `apollo`, `outreach` or `salesloft`.
    provider_name: String,
    config: SyncConfigData,
}

/// Creates a provider's sync config, and the syncs of the existing connections.
#[utoipa::path(post, path = "/sync_configs", tag = "SyncConfigs",
    operation_id = "createSyncConfig", request_body = CreateSyncConfig,
    responses((status = 201, description = "The sync config", body = SyncConfigBody)))]
pub(crate) async fn create_sync_config(
    caller: Caller,
    State(state): State<AppState>,
    Json(body): Json<CreateSyncConfig>,
) -> ApiResult<(axum::http::StatusCode, JsonBody<SyncConfigBody>)> {
    let provider = named_provider(&state.providers, "provider_name", &body.provider_name)?;
    let destination = destination_of(&caller, &state, &body.destination_name).await?;
    check(&body.config, provider)?;
    let provider = provider.name();
    enabled_provider(&caller, provider).await?;
    let config = caller
        .tenant
        .create_sync_config(provider, &destination, &body.config)
        .await?;
    state.wake.wake();
    Ok((axum::http::StatusCode::CREATED, JsonBody(config.into())))
}

/// One sync config.
#[utoipa::path(get, path = "/sync_configs/{sync_config_id}", tag = "SyncConfigs",
    operation_id = "getSyncConfig",
    params(("sync_config_id" = String, Path, description = "The sync config's id")),
    responses((status = 200, description = "The sync config", body = SyncConfigBody)))]
pub(crate) async fn get_sync_config(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<SyncConfigBody>> {
    let config = SyncConfigBody::from(find(&caller, &id).await?);
    let pending = caller.tenant.pending_policies().await?;
    Ok(JsonBody(config.with(&pending)))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = update_sync_config)]
pub(crate) struct UpdateSyncConfig {
    config: SyncConfigData,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ForceQuery {
    /// Delete the syncs, of all customers, that would have no config any more.
    #[serde(default)]
    force_delete_syncs: bool,
}

/// Replaces a sync config's body, and updates the syncs.
#[utoipa::path(put, path = "/sync_configs/{sync_config_id}", tag = "SyncConfigs",
    operation_id = "updateSyncConfig", request_body = UpdateSyncConfig,
    params(("sync_config_id" = String, Path, description = "The sync config's id"), ForceQuery),
    responses((status = 200, description = "The sync config", body = SyncConfigBody)))]
pub(crate) async fn update_sync_config(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<ForceQuery>,
    Json(body): Json<UpdateSyncConfig>,
) -> ApiResult<JsonBody<SyncConfigBody>> {
    let current = find(&caller, &id).await?;
    check(&body.config, &**state.providers.get(current.provider)?)?;
    let updated = state
        .store
        .update_sync_config(&current, &body.config, query.force_delete_syncs)
        .await?;
    state.wake.wake();
    Ok(JsonBody(updated.into()))
}

/// Deletes a sync config with its syncs.
#[utoipa::path(delete, path = "/sync_configs/{sync_config_id}", tag = "SyncConfigs",
    operation_id = "deleteSyncConfig",
    params(("sync_config_id" = String, Path, description = "The sync config's id"), ForceQuery),
    responses((status = 200, description = "The sync config that was deleted", body = SyncConfigBody)))]
pub(crate) async fn delete_sync_config(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<ForceQuery>,
) -> ApiResult<JsonBody<SyncConfigBody>> {
    let config = find(&caller, &id).await?;
    state
        .store
        .delete_sync_config(&config, query.force_delete_syncs)
        .await?;
    Ok(JsonBody(config.into()))
}

/// Whether this is a name of the built-in destination.
pub(super) fn is_built_in(state: &AppState, name: &str) -> bool {
    [state.store.built_in_destination(), SUPAGLUE_DESTINATION].contains(&name)
}

/// The destination's own name.
async fn destination_of(caller: &Caller, state: &AppState, name: &str) -> ApiResult<String> {
    if is_built_in(state, name) {
        return Ok(state.store.built_in_destination().to_owned());
    }
    let destinations = caller.tenant.list_destinations().await?;
    if destinations
        .iter()
        .any(|destination| destination.name == name)
    {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = destinations.iter().map(|it| it.name.as_str()).collect();
    Err(ApiError::validation(
        "destination_name",
        format!("is none of the destinations: {}", names.join(", ")),
    ))
}

/// The config must make sense, and name only objects that the provider has.
pub(super) fn check(config: &SyncConfigData, provider: &dyn Provider) -> ApiResult<()> {
    config
        .objects()
        .map_err(|InvalidSyncConfig { field, reason }| ApiError::Validation { field, reason })?;
    for (at, entry) in config.common_objects.iter().enumerate() {
        let Ok(object) = entry.object.parse::<Object>() else {
            continue;
        };
        if !provider.support(object).list {
            return Err(ApiError::validation(
                format!("config.common_objects[{at}].object"),
                format!("{} has no {}", provider.name(), object.plural()),
            ));
        }
    }
    Ok(())
}

async fn find(caller: &Caller, id: &str) -> ApiResult<SyncConfig> {
    caller
        .tenant
        .get_sync_config(id)
        .await?
        .ok_or_else(|| ApiError::NotFound(format!("Can't find sync config with id {id}")))
}
