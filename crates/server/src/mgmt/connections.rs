//! Connections: a customer's account at a provider.
//!
//! A key is checked with the provider before anything is stored, and is never returned.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use syncline_engine::{CheckedCredentials, Connect};
use syncline_model::{
    Capabilities, Category, ConnectionStatus, ConnectionSyncConfig, Credentials, Health,
    LimitOverrides, ProviderName, Time,
};
use syncline_providers::Providers;
use syncline_store::{Connection, Start};
use utoipa::ToSchema;

use super::{
    customers::find_customer,
    health::HealthBody,
    providers::{check_auth_type, enabled_provider, named_provider},
    secrets::{Secrets, credentials_of},
};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path},
    limits::LimitsBody,
    provider_errors::ProviderFailure,
};

#[derive(Serialize, ToSchema)]
#[schema(as = connection)]
pub(crate) struct ConnectionBody {
    id: String,
    application_id: String,
    customer_id: String,
    provider_id: String,
    provider_name: ProviderName,
    category: Category,
    /// Always empty: engagement providers have one address for all customers.
    instance_url: &'static str,
    status: ConnectionStatus,
    #[schema(value_type = std::collections::HashMap<String, syncline_model::Capability>)]
    capabilities: Capabilities,
    /// What may be read for this connection: the configured limits with its own overrides.
    limits: LimitsBody,
    /// What was set with `/connection_sync_configs`, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_sync_config: Option<ConnectionSyncConfig>,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_synced_at: Option<Time>,
    health: HealthBody,
}

impl ConnectionBody {
    fn new(state: &AppState, connection: Connection, health: Health) -> Self {
        Self {
            health: health.into(),
            limits: state.limits_of(&connection).into(),
            id: connection.id,
            application_id: connection.application_id,
            customer_id: connection.customer_id,
            provider_id: connection.provider_id,
            provider_name: connection.provider,
            category: Category::Engagement,
            instance_url: "",
            status: connection.status,
            capabilities: connection.capabilities,
            connection_sync_config: connection.sync_config,
            created_at: connection.created_at,
            last_synced_at: connection.last_synced_at,
        }
    }
}

/// All connections of a customer, by provider.
#[utoipa::path(get, path = "/customers/{customer_id}/connections", tag = "Connections",
    operation_id = "getConnections",
    params(("customer_id" = String, Path, description = "Your id for the customer")),
    responses((status = 200, description = "Connections", body = [ConnectionBody])))]
pub(crate) async fn list_connections(
    caller: Caller,
    State(state): State<AppState>,
    Path(customer_id): Path<String>,
) -> ApiResult<JsonBody<Vec<ConnectionBody>>> {
    let customer = find_customer(&caller, &customer_id).await?;
    let connections = caller
        .tenant
        .list_connections(&customer.customer_id)
        .await?;
    let mut health = caller.tenant.health_of(&connections).await?;
    let body = |connection: Connection| {
        let health = health.remove(&connection.id).unwrap_or_default();
        ConnectionBody::new(&state, connection, health)
    };
    Ok(JsonBody(connections.into_iter().map(body).collect()))
}

/// One connection with its health.
async fn shown(
    caller: &Caller,
    state: &AppState,
    connection: Connection,
) -> ApiResult<JsonBody<ConnectionBody>> {
    let mut health = caller
        .tenant
        .health_of(std::slice::from_ref(&connection))
        .await?;
    let health = health.remove(&connection.id).unwrap_or_default();
    Ok(JsonBody(ConnectionBody::new(state, connection, health)))
}

/// `type` and `category` are optional; if given, they must fit the provider.
#[derive(Deserialize, ToSchema)]
#[schema(as = create_connection)]
pub(crate) struct CreateConnection {
    /// `apollo`, `outreach` or `salesloft`.
    provider_name: String,
    /// `api_key` or `oauth2`, as the provider has it.
    #[serde(rename = "type")]
    auth_type: Option<String>,
    /// `engagement`.
    category: Option<String>,
    /// For `api_key`.
    #[schema(min_length = 1)]
    api_key: Option<String>,
    /// For `oauth2`. It has to belong to the OAuth application that is set for the provider. An
    /// `access_token` beside it is not needed.
    #[schema(min_length = 1)]
    refresh_token: Option<String>,
    /// The limits that differ from the configuration.
    limits: Option<LimitOverrides>,
}

/// Connects a customer's account; its first syncs start at once.
///
/// With `refresh_token` an authorization is imported that was made elsewhere: it is refreshed at once, and
/// what it was before may be worth nothing afterwards.
///
/// 422 if the provider rejects the credentials; nothing is stored then.
#[utoipa::path(post, path = "/customers/{customer_id}/connections", tag = "Connections",
    operation_id = "createConnection", request_body = CreateConnection,
    params(("customer_id" = String, Path, description = "Your id for the customer")),
    responses((status = 200, description = "The connection", body = ConnectionBody)))]
pub(crate) async fn create_connection(
    caller: Caller,
    State(state): State<AppState>,
    Path(customer_id): Path<String>,
    Json(body): Json<CreateConnection>,
) -> ApiResult<JsonBody<ConnectionBody>> {
    let provider = body.provider(&state.providers)?;
    let limits = body.limits.unwrap_or_default();
    let secrets = Secrets {
        api_key: body.api_key,
        refresh_token: body.refresh_token,
    };
    let auth_type = secrets.auth_type(&state, provider, body.auth_type.as_deref())?;
    let secret = secrets.of(auth_type)?;
    state.check_limits(provider, limits)?;
    find_customer(&caller, &customer_id).await?;
    let enabled = enabled_provider(&caller, provider).await?;
    let provider_id = enabled.id.clone();
    if find(&caller, &customer_id, provider).await?.is_some() {
        return Err(ApiError::Conflict(format!(
            "customer {customer_id} has a connection with {provider} already: PUT its new credentials to \
             /mgmt/v2/customers/{customer_id}/connections/{provider}, or DELETE it first"
        )));
    }
    let credentials = credentials_of(&state, &enabled, secret).await?;
    let checked = check(&state, provider, credentials).await?;
    let connect = Connect {
        customer_id: &customer_id,
        provider_id: &provider_id,
        limits,
        start: Start::AsConfigured,
        magic_link_id: None,
    };
    let created = checked.connect(&caller.tenant, &connect).await;
    if created.is_err() {
        // The customer or the provider may have been deleted while the provider was asked.
        find_customer(&caller, &customer_id).await?;
        enabled_provider(&caller, provider).await?;
    }
    let connection = created?;
    caller.call.set_connection(&connection);
    state.wake.wake();
    shown(&caller, &state, connection).await
}

/// One connection.
#[utoipa::path(get, path = "/customers/{customer_id}/connections/{provider_name}",
    tag = "Connections", operation_id = "getConnection",
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name")),
    responses((status = 200, description = "The connection", body = ConnectionBody)))]
pub(crate) async fn get_connection(
    caller: Caller,
    State(state): State<AppState>,
    Path((customer_id, provider_name)): Path<(String, String)>,
) -> ApiResult<JsonBody<ConnectionBody>> {
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    shown(&caller, &state, connection).await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = update_connection)]
pub(crate) struct UpdateConnection {
    /// `api_key` or `oauth2`, as the provider has it; optional.
    #[serde(rename = "type")]
    auth_type: Option<String>,
    /// Optional if `limits` are given.
    /// For `api_key`.
    #[schema(min_length = 1)]
    api_key: Option<String>,
    /// For `oauth2`. It has to belong to the OAuth application that is set for the provider. An
    /// `access_token` beside it is not needed.
    #[schema(min_length = 1)]
    refresh_token: Option<String>,
    /// The limits that differ from the configuration. They replace all that were set before;
    /// without them, those stay.
    limits: Option<LimitOverrides>,
}

/// Replaces the connection's credentials, its limits, or both. New credentials resume the syncs that were
/// paused because of the old ones.
///
/// 422 if the provider rejects the new credentials; nothing is changed then.
#[utoipa::path(put, path = "/customers/{customer_id}/connections/{provider_name}",
    tag = "Connections", operation_id = "updateConnection", request_body = UpdateConnection,
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name")),
    responses((status = 200, description = "The connection", body = ConnectionBody)))]
pub(crate) async fn update_connection(
    caller: Caller,
    State(state): State<AppState>,
    Path((customer_id, provider_name)): Path<(String, String)>,
    Json(body): Json<UpdateConnection>,
) -> ApiResult<JsonBody<ConnectionBody>> {
    let limits = body.limits;
    let secrets = Secrets {
        api_key: body.api_key,
        refresh_token: body.refresh_token,
    };
    let secret = match state.providers.named(&provider_name) {
        Ok(provider) => {
            let named = body.auth_type.as_deref();
            let auth_type = secrets.auth_type(&state, provider.name(), named)?;
            let only_limits = limits.is_some() && secrets.are_absent();
            (!only_limits).then(|| secrets.of(auth_type)).transpose()?
        }
        Err(_) => None,
    };
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    let provider = connection.provider;
    state.check_limits(connection.provider, limits.unwrap_or_default())?;
    match (secret, limits) {
        (Some(secret), limits) => {
            let enabled = enabled_provider(&caller, provider).await?;
            let credentials = credentials_of(&state, &enabled, secret).await?;
            let checked = check(&state, connection.provider, credentials).await?;
            checked
                .reconnect(&state.store, &connection, limits, None)
                .await?;
            state.wake.wake();
        }
        (None, Some(limits)) => {
            state.store.set_limits(&connection, limits).await?;
            state.wake.wake();
        }
        (None, None) => {}
    }
    let updated = find_named(&caller, &customer_id, &provider_name).await?;
    shown(&caller, &state, updated).await
}

/// Deletes a connection: its syncs are stopped and its records deleted before this returns.
#[utoipa::path(delete, path = "/customers/{customer_id}/connections/{provider_name}",
    tag = "Connections", operation_id = "deleteConnection",
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name")),
    responses((status = 204, description = "The connection is gone")))]
pub(crate) async fn delete_connection(
    caller: Caller,
    State(state): State<AppState>,
    Path((customer_id, provider_name)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    state.store.delete_connection(&connection).await?;
    // Other connections of the same account may have waited for one of its runs.
    state.wake.wake();
    Ok(StatusCode::NO_CONTENT)
}

impl CreateConnection {
    fn provider(&self, providers: &Providers) -> ApiResult<ProviderName> {
        let provider = named_provider(providers, "provider_name", &self.provider_name)?;
        check_auth_type("type", self.auth_type.as_deref(), provider)?;
        check_word(
            "category",
            self.category.as_deref(),
            Category::Engagement.as_str(),
        )?;
        Ok(provider.name())
    }
}

/// An optional value that, if given, must be the one that fits the provider.
pub(super) fn check_word(field: &str, given: Option<&str>, expected: &str) -> ApiResult<()> {
    match given {
        Some(given) if given != expected => Err(ApiError::validation(
            field,
            format!("must be '{expected}' for this provider"),
        )),
        _ => Ok(()),
    }
}

/// Checks credentials with their provider; 422 if it rejects them.
async fn check(
    state: &AppState,
    provider: ProviderName,
    credentials: Credentials,
) -> ApiResult<CheckedCredentials> {
    let provider = state.providers.get(provider)?;
    let checked = CheckedCredentials::check(&**provider, credentials).await;
    checked.map_err(|rejected| {
        ApiError::Provider(ProviderFailure::rejected_credentials(
            rejected.provider,
            &rejected.reason,
        ))
    })
}

async fn find(
    caller: &Caller,
    customer_id: &str,
    provider: ProviderName,
) -> ApiResult<Option<Connection>> {
    Ok(caller.tenant.get_connection(customer_id, provider).await?)
}

pub(super) async fn find_named(
    caller: &Caller,
    customer_id: &str,
    provider_name: &str,
) -> ApiResult<Connection> {
    let missing = || {
        ApiError::NotFound(format!(
            "Can't find connection with provider {provider_name} and customer id {customer_id}"
        ))
    };
    let provider = provider_name.parse().map_err(|_| missing())?;
    let connection = find(caller, customer_id, provider).await?;
    let connection = connection.ok_or_else(missing)?;
    caller.call.set_connection(&connection);
    Ok(connection)
}
