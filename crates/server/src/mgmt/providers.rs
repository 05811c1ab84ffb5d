//! The providers that the application has enabled.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_model::{AuthType, Category, ProviderName};
use syncline_providers::{Provider, Providers};
use syncline_store::ConfiguredProvider;
use utoipa::ToSchema;

use super::{
    connections::check_word,
    oauth_config::{CheckedSettings, OAuthConfigBody},
};
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
    /// The OAuth application; absent for a provider that is connected by API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    config: Option<OAuthConfigBody>,
}

impl ProviderBody {
    fn of(provider: ConfiguredProvider, providers: &Providers) -> ApiResult<Self> {
        providers.get(provider.name)?;
        Ok(Self {
            id: provider.id,
            application_id: provider.application_id,
            category: Category::Engagement,
            auth_type: provider.settings.auth_type.as_str(),
            name: provider.name,
            config: OAuthConfigBody::of(&provider.settings),
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
pub(crate) struct CreateUpdateProvider {
    /// `apollo`, `outreach` or `salesloft`.
    name: String,
    /// `engagement`.
    category: String,
    /// `api_key` or `oauth2`, as the provider has it.
    auth_type: String,
    /// The OAuth application at the provider; required for `oauth2`, rejected for `api_key`.
    config: Option<OAuthConfigBody>,
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
    request_body = CreateUpdateProvider,
    responses((status = 201, description = "The provider", body = ProviderBody)))]
pub(crate) async fn create_provider(
    caller: Caller,
    State(state): State<AppState>,
    Json(body): Json<CreateUpdateProvider>,
) -> ApiResult<(StatusCode, JsonBody<ProviderBody>)> {
    let name = body.checked(&state.providers)?;
    let checked = body.settings(&state.providers, name, None)?;
    let provider = caller
        .tenant
        .create_provider(name, &checked.settings, checked.secret())
        .await?;
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

/// Replaces a provider's settings: its OAuth application, for one that is connected by OAuth.
///
/// An empty `oauth_client_secret` keeps the one that is stored for the same `oauth_client_id`. Tokens of
/// connections belong to the application that they were made for: with another one, customers have to
/// authorize again.
#[utoipa::path(put, path = "/providers/{provider_id}", tag = "Providers",
    operation_id = "updateProvider", request_body = CreateUpdateProvider,
    params(("provider_id" = String, Path, description = "The provider's id")),
    responses((status = 200, description = "The provider", body = ProviderBody)))]
pub(crate) async fn update_provider(
    caller: Caller,
    State(state): State<AppState>,
    Path(provider_id): Path<String>,
    Json(body): Json<CreateUpdateProvider>,
) -> ApiResult<JsonBody<ProviderBody>> {
    let provider = find_provider(&caller, &provider_id).await?;
    check_word("name", Some(&body.name), provider.name.as_str())?;
    let name = body.checked(&state.providers)?;
    let checked = body.settings(&state.providers, name, Some(&provider))?;
    caller
        .tenant
        .update_provider(&provider, &checked.settings, checked.secret())
        .await?;
    let provider = find_provider(&caller, &provider_id).await?;
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

impl CreateUpdateProvider {
    /// How customers connect, checked; `known` is what is stored so far.
    fn settings(
        &self,
        providers: &Providers,
        name: ProviderName,
        known: Option<&ConfiguredProvider>,
    ) -> ApiResult<CheckedSettings> {
        let auth_type = AuthType::parse(&self.auth_type);
        let oauth = providers.get(name)?.oauth();
        match (auth_type, oauth, &self.config) {
            (Some(AuthType::OAuth2), Some(server), Some(config)) => config.checked(server, known),
            (Some(AuthType::OAuth2), _, None) => Err(ApiError::validation(
                "config",
                format!("this field is required: the OAuth application at {name}"),
            )),
            (_, Some(_), Some(_)) => Err(ApiError::validation(
                "config",
                "must be left out for the auth_type 'api_key'".to_owned(),
            )),
            (_, None, Some(_)) => Err(ApiError::validation(
                "config",
                format!("{name} is connected by API key and has no OAuth application"),
            )),
            (_, _, None) => Ok(CheckedSettings::of_api_key()),
        }
    }

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
