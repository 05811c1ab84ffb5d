//! The company behind a person's e-mail address.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use syncline_model::spelling::is_email;
use utoipa::IntoParams;

use super::{
    EnrichmentData,
    keys::{Asked, with_keys},
    respond,
};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Query},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EnrichQuery {
    /// The person's e-mail address.
    email: String,
}

/// The company that a person works for, found by the person's e-mail address.
///
/// It costs credits at the provider; `x-credits-used` says how many, if the provider tells. A
/// person that the provider doesn't know is 404 and costs nothing.
#[utoipa::path(get, path = "/persons", tag = "Persons", operation_id = "enrichPerson",
    params(EnrichQuery,
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "What the provider knows of the company",
        body = EnrichmentData,
        headers(("x-credits-used" = u32, description = "What it cost at the provider")))))]
pub(crate) async fn enrich_person(
    caller: ConnectionCaller,
    State(state): State<AppState>,
    Query(EnrichQuery { email }): Query<EnrichQuery>,
) -> ApiResult<Response> {
    let email = email.trim();
    if !is_email(email) {
        return Err(ApiError::validation("email", "must be an e-mail address"));
    }
    let asked = Asked::Person(email);
    let enrichment = with_keys(&state, &caller.connection, asked).await?;
    Ok(respond(enrichment, || {
        format!("{} doesn't know {email}", caller.connection.provider)
    }))
}
