//! `GET /oauth/connect`: sends a customer to the provider.

use axum::{extract::State, http::HeaderMap, response::Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use secrecy::SecretString;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use syncline_model::{AuthType, ProviderName};
use syncline_providers::{OAuthServer, http::Url, oauth};
use syncline_store::{ConfiguredProvider, MagicLink, NewAuthorization, Tenant};

use super::{browser, redirect_uri, return_url, tenant_of};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::Query,
    mgmt::without_tokens,
};

/// The parameters as Supaglue names them, and a magic link's `token`, from which the others follow.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    application_id: Option<String>,
    customer_id: Option<String>,
    provider_name: Option<String>,
    return_url: Option<String>,
    /// Space-separated; instead of the provider's scopes.
    scope: Option<String>,
    /// Only the configured one is accepted.
    login_url: Option<String>,
    auto_start_on_connection: Option<String>,
    token: Option<String>,
}

/// Whom the account is to be connected for, and by which right.
struct Start {
    tenant: Tenant,
    customer_id: String,
    provider: ProviderName,
    return_url: String,
    magic_link_id: Option<String>,
}

pub(super) async fn connect(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> ApiResult<Response> {
    let auto_start = auto_start(parameters.auto_start_on_connection.as_deref())?;
    let start = match &parameters.token {
        Some(token) => by_magic_link(&state, token, &parameters).await?,
        None => by_return_url(&state, &parameters)?,
    };
    let provider = authorized_provider(&start).await?;
    let tokens = state
        .tokens
        .server_and_client(provider.name, &provider.id)
        .await;
    let (server, client) = tokens.map_err(|none| without_tokens(provider.name, none))?;
    check_login_url(parameters.login_url.as_deref(), server)?;
    let cookie = browser::cookie_of(&headers).map(str::to_owned);
    let cookie = cookie.unwrap_or_else(|| browser::random(&state));
    let (secret, verifier) = (browser::random(&state), browser::random(&state));
    let redirect_uri = redirect_uri(&state);
    let new = NewAuthorization {
        state: &secret,
        browser: &cookie,
        customer_id: &start.customer_id,
        provider: &provider,
        magic_link_id: start.magic_link_id.as_deref(),
        return_url: &start.return_url,
        redirect_uri: &redirect_uri,
        verifier: &SecretString::from(verifier.as_str()),
        auto_start,
        expires_at: state.clock.now() + TimeDelta::seconds(browser::VALID_SECONDS),
    };
    start.tenant.begin_authorization(&new).await?;
    let to = server.authorize_url(&oauth::Authorization {
        client_id: &client.id,
        redirect_uri: &redirect_uri,
        scopes: &scopes(parameters.scope.as_deref(), &provider, server),
        state: &secret,
        challenge: Some(&challenge_of(&verifier)),
    });
    let mut response = browser::redirect(to.as_str())?;
    browser::set_cookie(&mut response, &state, &cookie);
    Ok(response)
}

/// A link names everything itself. A `returnUrl` beside it must be the link's own or an allowed one.
async fn by_magic_link(state: &AppState, token: &str, parameters: &Parameters) -> ApiResult<Start> {
    let link = state.store.magic_link_of(token).await?;
    let link = usable(link, state)?;
    let other = |given: &Option<String>, own: &str| given.as_deref().is_some_and(|it| it != own);
    if other(&parameters.application_id, &link.application_id)
        || other(&parameters.customer_id, &link.customer_id)
        || other(&parameters.provider_name, link.provider.as_str())
    {
        return Err(ApiError::validation(
            "token",
            "belongs to another customer or provider",
        ));
    }
    let return_url = parameters
        .return_url
        .clone()
        .unwrap_or_else(|| link.return_url.clone());
    if return_url != link.return_url {
        check_return_url(&return_url, state)?;
    }
    Ok(Start {
        tenant: tenant_of(state, &link.application_id),
        customer_id: link.customer_id,
        provider: link.provider,
        return_url,
        magic_link_id: Some(link.id),
    })
}

fn usable(link: Option<MagicLink>, state: &AppState) -> ApiResult<MagicLink> {
    match link {
        None => Err(ApiError::NotFound("There is no such magic link".to_owned())),
        Some(link) if link.consumed_at.is_some() => Err(ApiError::Gone(
            "This magic link was used already: ask for a new one".to_owned(),
        )),
        Some(link) if link.expires_at <= state.clock.now() => Err(ApiError::Gone(
            "This magic link has expired: ask for a new one".to_owned(),
        )),
        Some(link) => Ok(link),
    }
}

fn by_return_url(state: &AppState, parameters: &Parameters) -> ApiResult<Start> {
    fn required<'p>(given: Option<&'p str>, name: &str) -> ApiResult<&'p str> {
        let given = given.filter(|given| !given.is_empty());
        given.ok_or_else(|| ApiError::validation(name, "this parameter is required"))
    }
    let application_id = required(parameters.application_id.as_deref(), "applicationId")?;
    let customer_id = required(parameters.customer_id.as_deref(), "customerId")?;
    let provider = required(parameters.provider_name.as_deref(), "providerName")?;
    let return_url = required(parameters.return_url.as_deref(), "returnUrl")?;
    check_return_url(return_url, state)?;
    let provider = state
        .providers
        .named(provider)
        .map_err(|unknown| ApiError::validation("providerName", unknown.to_string()))?;
    Ok(Start {
        tenant: tenant_of(state, application_id),
        customer_id: customer_id.to_owned(),
        provider: provider.name(),
        return_url: return_url.to_owned(),
        magic_link_id: None,
    })
}

fn check_return_url(url: &str, state: &AppState) -> ApiResult<()> {
    if return_url::is_allowed(url, &state.return_origins) {
        return Ok(());
    }
    Err(ApiError::validation(
        "returnUrl",
        "its origin is not allowed: the operator has to add it to SYNCLINE_OAUTH__RETURN_ORIGINS, or \
         send the customer a magic link",
    ))
}

/// The application's provider, if it has one that is connected by OAuth, and the customer.
async fn authorized_provider(start: &Start) -> ApiResult<ConfiguredProvider> {
    let customer_id = &start.customer_id;
    if start.tenant.get_customer(customer_id).await?.is_none() {
        return Err(ApiError::NotFound(format!(
            "Can't find customer with id: {customer_id}"
        )));
    }
    let providers = start.tenant.list_providers().await?;
    let provider = providers.into_iter().find(|it| it.name == start.provider);
    let name = start.provider;
    match provider {
        None => Err(ApiError::validation(
            "providerName",
            format!("the application has not enabled {name}: POST /mgmt/v2/providers"),
        )),
        Some(provider) if provider.settings.auth_type != AuthType::OAuth2 => Err(
            ApiError::validation("providerName", format!("{name} is connected by API key")),
        ),
        Some(provider) => Ok(provider),
    }
}

/// Another address could be anybody's, and would be given our client's id.
fn check_login_url(given: Option<&str>, server: &OAuthServer) -> ApiResult<()> {
    let Some(given) = given else { return Ok(()) };
    match Url::parse(given) {
        Ok(url) if server.is_login_url(&url) => Ok(()),
        _ => Err(ApiError::validation(
            "loginUrl",
            "must be the address that is configured for the provider, or left out",
        )),
    }
}

fn scopes(given: Option<&str>, provider: &ConfiguredProvider, server: &OAuthServer) -> Vec<String> {
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let given = given.map(words).filter(|scopes| !scopes.is_empty());
    let usual = || {
        let scopes = server.rules().scopes.iter();
        scopes.map(|&scope| scope.to_owned()).collect()
    };
    given
        .or_else(|| provider.settings.oauth_scopes.clone())
        .unwrap_or_else(usual)
}

fn auto_start(given: Option<&str>) -> ApiResult<Option<bool>> {
    match given {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(ApiError::validation(
            "autoStartOnConnection",
            "must be true or false",
        )),
    }
}

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}
