//! The company with a domain.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use syncline_model::spelling::{bare_host, is_domain};
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
    /// The company's domain. Of an address its host is taken, without `www.`.
    domain: String,
}

/// The company with that domain.
///
/// It costs credits at the provider; `x-credits-used` says how many, if the provider tells. A
/// company that the provider doesn't know is 404 and costs nothing.
#[utoipa::path(get, path = "/organizations", tag = "Organizations",
    operation_id = "enrichOrganization",
    params(EnrichQuery,
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "What the provider knows of the company",
        body = EnrichmentData,
        headers(("x-credits-used" = u32, description = "What it cost at the provider")))))]
pub(crate) async fn enrich_organization(
    caller: ConnectionCaller,
    State(state): State<AppState>,
    Query(EnrichQuery { domain }): Query<EnrichQuery>,
) -> ApiResult<Response> {
    let domain = bare_host(&domain);
    if !is_domain(&domain) {
        let wrong = "must be a domain, such as heron.example";
        return Err(ApiError::validation("domain", wrong));
    }
    let asked = Asked::Organization(&domain);
    let enrichment = with_keys(&state, &caller.connection, asked).await?;
    Ok(respond(enrichment, || {
        format!("{} doesn't know {domain}", caller.connection.provider)
    }))
}
