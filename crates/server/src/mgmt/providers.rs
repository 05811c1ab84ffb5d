//! The providers that the application has enabled.

use axum::{Json as JsonBody, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_model::{Category, ProviderName, provider::UnknownProvider};
use syncline_store::ConfiguredProvider;
use utoipa::ToSchema;

use super::connections::check_word;
use crate::{
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path},
};

/// Sales engagement providers that Supaglue had and Syncline doesn't support yet.
const NOT_YET: [&str; 2] = ["outreach", "salesloft"];

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
pub(crate) async fn list_providers(caller: Caller) -> ApiResult<JsonBody<Vec<ProviderBody>>> {
    let providers = caller.tenant.list_providers().await?;
    Ok(JsonBody(providers.into_iter().map(Into::into).collect()))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = create_update_provider)]
pub(crate) struct ProviderSettings {
    /// `apollo`.
    name: String,
    /// `engagement`.
    category: String,
    /// `api_key`.
    auth_type: String,
    /// The OAuth application at the provider. Rejected: Apollo has none.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    objects: Option<ProviderObjects>,
    /// Rejected unless empty: entities belong to CRM providers.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    entity_mappings: Vec<Value>,
}

/// Rejected unless empty: engagement providers have common objects without schemas of your own.
#[derive(Deserialize, ToSchema)]
#[schema(as = objects)]
struct ProviderObjects {
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    common: Vec<Value>,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    standard: Vec<Value>,
}

/// Enables a provider. It has no sync config until one is created.
#[utoipa::path(post, path = "/providers", tag = "Providers", operation_id = "createProvider",
    request_body = ProviderSettings,
    responses((status = 201, description = "The provider", body = ProviderBody)))]
pub(crate) async fn create_provider(
    caller: Caller,
    Json(body): Json<ProviderSettings>,
) -> ApiResult<(StatusCode, JsonBody<ProviderBody>)> {
    let name = body.checked()?;
    let provider = caller.tenant.create_provider(name).await?;
    Ok((StatusCode::CREATED, JsonBody(provider.into())))
}

/// One provider.
#[utoipa::path(get, path = "/providers/{provider_id}", tag = "Providers",
    operation_id = "getProvider",
    params(("provider_id" = String, Path, description = "The provider's id")),
    responses((status = 200, description = "The provider", body = ProviderBody)))]
pub(crate) async fn get_provider(
    caller: Caller,
    Path(provider_id): Path<String>,
) -> ApiResult<JsonBody<ProviderBody>> {
    let provider = find_provider(&caller, &provider_id).await?;
    Ok(JsonBody(provider.into()))
}

/// Checks a provider's settings. A provider that is connected by API key has no settings that could
/// be changed.
#[utoipa::path(put, path = "/providers/{provider_id}", tag = "Providers",
    operation_id = "updateProvider", request_body = ProviderSettings,
    params(("provider_id" = String, Path, description = "The provider's id")),
    responses((status = 200, description = "The provider", body = ProviderBody)))]
pub(crate) async fn update_provider(
    caller: Caller,
    Path(provider_id): Path<String>,
    Json(body): Json<ProviderSettings>,
) -> ApiResult<JsonBody<ProviderBody>> {
    let provider = find_provider(&caller, &provider_id).await?;
    check_word("name", Some(&body.name), provider.name.as_str())?;
    body.checked()?;
    Ok(JsonBody(provider.into()))
}

/// Deletes a provider that has neither a sync config nor connections. It can be created again.
#[utoipa::path(delete, path = "/providers/{provider_id}", tag = "Providers",
    operation_id = "deleteProvider",
    params(("provider_id" = String, Path, description = "The provider's id")),
    responses((status = 200, description = "The provider that was deleted", body = ProviderBody)))]
pub(crate) async fn delete_provider(
    caller: Caller,
    Path(provider_id): Path<String>,
) -> ApiResult<JsonBody<ProviderBody>> {
    let provider = find_provider(&caller, &provider_id).await?;
    caller.tenant.delete_provider(&provider).await?;
    Ok(JsonBody(provider.into()))
}

impl ProviderSettings {
    /// The provider's name, if all settings fit it.
    fn checked(&self) -> ApiResult<ProviderName> {
        let name: ProviderName = self
            .name
            .parse()
            .map_err(|error| ApiError::validation("name", reason(&error)))?;
        check_word("category", Some(&self.category), name.category().as_str())?;
        if self.auth_type != name.auth_type() {
            return Err(ApiError::validation(
                "auth_type",
                format!(
                    "{name} is connected by API key: this must be '{}'",
                    name.auth_type()
                ),
            ));
        }
        if self.config.is_some() {
            return Err(ApiError::validation(
                "config",
                format!("{name} is connected by API key and has no OAuth application"),
            ));
        }
        if let Some(objects) = &self.objects {
            refuse_unless_empty("objects.common", &objects.common)?;
            refuse_unless_empty("objects.standard", &objects.standard)?;
        }
        refuse_unless_empty("entity_mappings", &self.entity_mappings)?;
        Ok(name)
    }
}

fn reason(error: &UnknownProvider) -> String {
    let UnknownProvider(name) = error;
    if NOT_YET.contains(&name.as_str()) {
        format!("the provider '{name}' is not supported yet")
    } else {
        error.to_string()
    }
}

fn refuse_unless_empty(field: &str, list: &[Value]) -> ApiResult<()> {
    if list.is_empty() {
        Ok(())
    } else {
        Err(ApiError::validation(
            field,
            "only CRM providers have these; for an engagement provider this must be empty",
        ))
    }
}

async fn find_provider(caller: &Caller, provider_id: &str) -> ApiResult<ConfiguredProvider> {
    caller
        .tenant
        .get_provider(provider_id)
        .await?
        .ok_or_else(|| ApiError::NotFound(format!("Can't find provider with id {provider_id}")))
}

/// The application's provider with this name.
pub(super) async fn enabled_provider(
    caller: &Caller,
    name: ProviderName,
) -> ApiResult<ConfiguredProvider> {
    let providers = caller.tenant.list_providers().await?;
    providers
        .into_iter()
        .find(|provider| provider.name == name)
        .ok_or_else(|| ApiError::NotFound(format!("Provider not found for name: {name}")))
}
