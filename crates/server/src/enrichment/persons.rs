//! The company behind a person's e-mail address.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{EnrichmentData, is_domain, respond};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Query},
    remote::Remote,
};

/// RFC 5321: a path of 256 bytes, less its two brackets.
const LONGEST_EMAIL: usize = 254;

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
    let remote = Remote::of(&state, &caller.connection).await?;
    let enrichment = remote
        .capabilities()
        .enrichments()?
        .enrich_person(&remote.session(), email)
        .await?;
    Ok(respond(enrichment, || {
        format!("{} doesn't know {email}", remote.connection().provider)
    }))
}

/// Whether the text can be an address at all, before a credit is spent. Only the provider knows
/// whether it exists.
fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else {
        return false;
    };
    text.len() <= LONGEST_EMAIL
        && !name.is_empty()
        && !name.contains(|it: char| it == '@' || it.is_whitespace() || it.is_control())
        && is_domain(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_no_address_is_not_asked_about() {
        for good in ["a@b.example", "a.b+c'd@x-y.co.uk", "ü@müller.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "a",
            "@b.example",
            "a@",
            "a@b",
            "a@b.",
            "a@.b",
            "a@b..c",
            "a b@c.example",
            "a@b@c.example",
            "a@b c.example",
            "a@b.example\r\nx",
            "<a@b.example>",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(!is_email(&format!("{}@b.example", "a".repeat(300))));
    }
}
