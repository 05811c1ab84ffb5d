//! The providers that the application has enabled.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_model::{Category, ProviderName};
use syncline_providers::{Provider, Providers};
use syncline_store::ConfiguredProvider;
use utoipa::ToSchema;

use super::connections::check_word;
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path},
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

impl ProviderBody {
    fn of(provider: ConfiguredProvider, providers: &Providers) -> ApiResult<Self> {
        let built_in = providers.get(provider.name)?;
        Ok(Self {
            id: provider.id,
            application_id: provider.application_id,
            category: Category::Engagement,
            auth_type: usual_auth_type(&**built_in),
            name: provider.name,
        })
    }
}

/// All providers, by name, except those that only a newer process on the same database knows.
#[utoipa::path(get, path = "/providers", tag = "Providers", operation_id = "getProviders",
    responses((status = 200, description = "Providers", body = [ProviderBody])))]
pub(crate) async fn list_providers(
    caller: Caller,
    State(state): State<AppState>,
) -> ApiResult<JsonBody<Vec<ProviderBody>>> {
    let providers = caller.tenant.list_providers().await?.into_iter();
    let known = providers.filter(|provider| state.providers.get(provider.name).is_ok());
    let bodies = known.map(|provider| ProviderBody::of(provider, &state.providers));
    Ok(JsonBody(bodies.collect::<ApiResult<_>>()?))
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
    State(state): State<AppState>,
    Json(body): Json<ProviderSettings>,
) -> ApiResult<(StatusCode, JsonBody<ProviderBody>)> {
    let name = body.checked(&state.providers)?;
    let provider = caller.tenant.create_provider(name).await?;
    let body = ProviderBody::of(provider, &state.providers)?;
    Ok((StatusCode::CREATED, JsonBody(body)))
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
    let provider = find_provider(&caller, &provider_id).await?;
    Ok(JsonBody(ProviderBody::of(provider, &state.providers)?))
}

/// Checks a provider's settings. A provider that is connected by API key has no settings that could
/// be changed.
#[utoipa::path(put, path = "/providers/{provider_id}", tag = "Providers",
    operation_id = "updateProvider", request_body = ProviderSettings,
    params(("provider_id" = String, Path, description = "The provider's id")),
    responses((status = 200, description = "The provider", body = ProviderBody)))]
pub(crate) async fn update_provider(
    caller: Caller,
    State(state): State<AppState>,
    Path(provider_id): Path<String>,
    Json(body): Json<ProviderSettings>,
) -> ApiResult<JsonBody<ProviderBody>> {
    let provider = find_provider(&caller, &provider_id).await?;
    check_word("name", Some(&body.name), provider.name.as_str())?;
    body.checked(&state.providers)?;
    Ok(JsonBody(ProviderBody::of(provider, &state.providers)?))
}

/// Deletes a provider that has neither a sync config nor connections. It can be created again.
#[utoipa::path(delete, path = "/providers/{provider_id}", tag = "Providers",
    operation_id = "deleteProvider",
    params(("provider_id" = String, Path, description = "The provider's id")),
    responses((status = 200, description = "The provider that was deleted", body = ProviderBody)))]
pub(crate) async fn delete_provider(
    caller: Caller,
    State(state): State<AppState>,
    Path(provider_id): Path<String>,
) -> ApiResult<JsonBody<ProviderBody>> {
    let provider = find_provider(&caller, &provider_id).await?;
    let body = ProviderBody::of(provider.clone(), &state.providers)?;
    caller.tenant.delete_provider(&provider).await?;
    Ok(JsonBody(body))
}

impl ProviderSettings {
    /// The provider's name, if all settings fit it.
    fn checked(&self, providers: &Providers) -> ApiResult<ProviderName> {
        let provider = named_provider(providers, "name", &self.name)?;
        let name = provider.name();
        check_word(
            "category",
            Some(&self.category),
            Category::Engagement.as_str(),
        )?;
        check_auth_type("auth_type", Some(&self.auth_type), provider)?;
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

/// The provider that a field of a body names.
pub(super) fn named_provider<'p>(
    providers: &'p Providers,
    field: &str,
    name: &str,
) -> ApiResult<&'p dyn Provider> {
    match providers.named(name) {
        Ok(provider) => Ok(&**provider),
        Err(error) => Err(ApiError::validation(field, error.to_string())),
    }
}

/// A way of connecting that may be left out; given, it must be one that the provider has.
pub(super) fn check_auth_type(
    field: &str,
    given: Option<&str>,
    provider: &dyn Provider,
) -> ApiResult<()> {
    let ways: Vec<&str> = provider
        .auth_types()
        .iter()
        .map(|way| way.as_str())
        .collect();
    match given {
        Some(given) if !ways.contains(&given) => Err(ApiError::validation(
            field,
            format!("must be '{}' for {}", ways.join("' or '"), provider.name()),
        )),
        _ => Ok(()),
    }
}

fn usual_auth_type(provider: &dyn Provider) -> &'static str {
    provider.auth_types().first().map_or("", |way| way.as_str())
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
