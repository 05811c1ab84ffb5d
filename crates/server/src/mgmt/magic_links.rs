//! Magic links: URLs to send to a customer, who then connects their own account.

use axum::{
    Json as JsonBody,
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use syncline_model::{ProviderName, Time};
use syncline_store::{ConfiguredProvider, MagicLink, NewMagicLink};
use utoipa::ToSchema;

use super::{customers::find_customer, providers::enabled_provider};
use crate::{
    AppState,
    array::{self, Part},
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path},
};

/// The longest validity of a link: a year.
const MAX_EXPIRATION_SECS: i64 = 31_536_000;
/// A length that all browsers support.
const MAX_RETURN_URL_BYTES: usize = 2048;

#[derive(Serialize, ToSchema)]
#[schema(as = magic_link)]
pub(crate) struct MagicLinkBody {
    id: String,
    /// `new`; `consumed` once a connection was made with it; `expired` once it is no longer valid.
    status: &'static str,
    application_id: String,
    customer_id: String,
    provider_id: String,
    provider_name: ProviderName,
    /// Where the customer connects their account. Anyone who knows the URL can do so; treat it as a
    /// secret.
    url: String,
    /// Where the customer is redirected afterwards.
    return_url: String,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
}

impl MagicLinkBody {
    fn new(state: &AppState, link: MagicLink) -> Self {
        Self {
            status: status(&link, state.clock.now()),
            url: format!("{}/connect/{}", state.public_url, link.token),
            id: link.id,
            application_id: link.application_id,
            customer_id: link.customer_id,
            provider_id: link.provider_id,
            provider_name: link.provider,
            return_url: link.return_url,
            expires_at: link.expires_at,
        }
    }
}

fn status(link: &MagicLink, now: Time) -> &'static str {
    if link.consumed_at.is_some() {
        "consumed"
    } else if link.expires_at <= now {
        "expired"
    } else {
        "new"
    }
}

/// All magic links, the newest last.
#[utoipa::path(get, path = "/magic_links", tag = "Magic Links", operation_id = "getMagicLinks",
    responses((status = 200, description = "Magic links", body = [MagicLinkBody])))]
pub(crate) async fn list_magic_links(
    caller: Caller,
    State(state): State<AppState>,
) -> ApiResult<Response> {
    array::respond(move |after| {
        let (tenant, state) = (caller.tenant.clone(), state.clone());
        async move {
            let page = tenant.list_magic_links(&after).await?;
            let after = page.next_after(|it| &it.id);
            let links = page.rows.into_iter();
            let items = links.map(|link| MagicLinkBody::new(&state, link)).collect();
            Ok(Part { items, after })
        }
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = create_magic_link)]
pub(crate) struct CreateMagicLink {
    customer_id: String,
    /// `apollo`.
    provider_name: String,
    /// Where to redirect the customer afterwards: an absolute http or https URL.
    #[schema(max_length = 2048)]
    return_url: String,
    /// For how many seconds the link is valid: up to a year.
    #[schema(minimum = 1, maximum = 31_536_000)]
    expiration_secs: i64,
}

/// Creates a link with which the customer connects their account at the provider.
#[utoipa::path(post, path = "/magic_links", tag = "Magic Links",
    operation_id = "createMagicLink", request_body = CreateMagicLink,
    responses((status = 201, description = "The magic link", body = MagicLinkBody)))]
pub(crate) async fn create_magic_link(
    caller: Caller,
    State(state): State<AppState>,
    Json(body): Json<CreateMagicLink>,
) -> ApiResult<(StatusCode, JsonBody<MagicLinkBody>)> {
    check_return_url(&body.return_url)?;
    let open_for = open_for(body.expiration_secs)?;
    find_customer(&caller, &body.customer_id).await?;
    let provider = find_provider(&caller, &body.provider_name).await?;
    let new = NewMagicLink {
        customer_id: &body.customer_id,
        provider: &provider,
        return_url: &body.return_url,
        expires_at: state.clock.now() + open_for,
    };
    let link = caller.tenant.create_magic_link(&new).await?;
    let link = MagicLinkBody::new(&state, link);
    Ok((StatusCode::CREATED, JsonBody(link)))
}

/// Deletes a magic link; its URL stops working.
#[utoipa::path(delete, path = "/magic_links/{magic_link_id}", tag = "Magic Links",
    operation_id = "deleteMagicLink",
    params(("magic_link_id" = String, Path, description = "The magic link's id")),
    responses((status = 204, description = "The magic link is gone")))]
pub(crate) async fn delete_magic_link(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let deleted = caller.tenant.delete_magic_link(&id).await?;
    if deleted {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound(format!(
            "Can't find magic link with id {id}"
        )))
    }
}

fn open_for(secs: i64) -> ApiResult<TimeDelta> {
    if (1..=MAX_EXPIRATION_SECS).contains(&secs) {
        Ok(TimeDelta::seconds(secs))
    } else {
        Err(ApiError::validation(
            "expiration_secs",
            format!("must be at least 1 and at most {MAX_EXPIRATION_SECS}"),
        ))
    }
}

/// A browser is redirected there, so it must be a web address and not, for example, a script.
fn check_return_url(url: &str) -> ApiResult<()> {
    if url.len() > MAX_RETURN_URL_BYTES {
        return Err(ApiError::validation(
            "return_url",
            format!("must not be longer than {MAX_RETURN_URL_BYTES} bytes"),
        ));
    }
    let is_absolute = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    });
    if is_absolute {
        Ok(())
    } else {
        Err(ApiError::validation(
            "return_url",
            "must be an absolute http or https URL",
        ))
    }
}

async fn find_provider(caller: &Caller, name: &str) -> ApiResult<ConfiguredProvider> {
    let Ok(provider) = name.parse() else {
        return Err(ApiError::NotFound(format!(
            "Provider not found for name: {name}"
        )));
    };
    enabled_provider(caller, provider).await
}
