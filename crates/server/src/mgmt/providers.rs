//! The providers that the application has enabled.

use axum::{Json as JsonBody, extract::State};
use serde::Serialize;
use syncline_model::{Category, ProviderName};
use syncline_store::ConfiguredProvider;
use utoipa::ToSchema;

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Path},
};

#[derive(Serialize, ToSchema)]
#[schema(as = provider)]
pub(crate) struct ProviderBody {
    id: String,
    application_id: String,
    category: Category,
    /// `api_key` or `oauth2`.
    auth_type: &'static str,
    name: ProviderName,
}

impl From<ConfiguredProvider> for ProviderBody {
    fn from(provider: ConfiguredProvider) -> Self {
        Self {
            id: provider.id,
            application_id: provider.application_id,
            category: provider.name.category(),
            auth_type: provider.name.auth_type(),
            name: provider.name,
        }
    }
}

/// All providers, by name.
#[utoipa::path(get, path = "/providers", tag = "Providers", operation_id = "getProviders",
    responses((status = 200, description = "Providers", body = [ProviderBody])))]
pub(crate) async fn list_providers(
    caller: Caller,
    State(state): State<AppState>,
) -> ApiResult<JsonBody<Vec<ProviderBody>>> {
    let providers = state.store.list_providers(&caller.application_id).await?;
    Ok(JsonBody(providers.into_iter().map(Into::into).collect()))
}

/// One provider.
#[utoipa::path(get, path = "/providers/{provider_id}", tag = "Providers",
    operation_id = "getProvider",
    params(("provider_id" = String, Path, description = "The provider's id")),
    responses((status = 200, description = "The provider", body = ProviderBody)))]
pub(crate) async fn get_provider(
    caller: Caller,
    State(state): State<AppState>,
    Path(provider_id): Path<String>,
) -> ApiResult<JsonBody<ProviderBody>> {
    let provider = state
        .store
        .get_provider(&caller.application_id, &provider_id)
        .await?
        .ok_or_else(|| ApiError::NotFound(format!("Can't find provider with id {provider_id}")))?;
    Ok(JsonBody(provider.into()))
}
