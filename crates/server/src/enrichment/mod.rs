//! `/enrichment/v2`: what a provider knows about people and companies: about one of them (`persons`,
//! `organizations`), or about a list (`jobs`). `callbacks` takes what providers tell later.

pub(crate) mod callbacks;
pub(crate) mod jobs;
mod keys;
pub(crate) mod organizations;
pub(crate) mod persons;

use axum::{
    Json as JsonBody,
    http::HeaderName,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use syncline_model::live::Company;
use syncline_providers::capabilities::Enrichment;
use utoipa::ToSchema;

use crate::{
    error::{ApiError, CREDITS_USED},
    provider_errors::ProviderFailure,
};

#[derive(Serialize, ToSchema)]
#[schema(as = enrichment_data)]
pub(crate) struct EnrichmentData {
    company: Company,
}

/// The company, or 404 with the given title; either way with what it cost.
fn respond(enrichment: Enrichment, unknown: impl FnOnce() -> String) -> Response {
    let cost = enrichment.credits.to_string();
    let cost = [(HeaderName::from_static(CREDITS_USED), cost)];
    let Some(company) = enrichment.company else {
        let unknown = ProviderFailure::not_found(unknown());
        return (cost, ApiError::Provider(unknown)).into_response();
    };
    (cost, JsonBody(EnrichmentData { company })).into_response()
}
