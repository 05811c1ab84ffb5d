//! SCIM's shape of failures (RFC 7644, section 3.12).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{ContentBuilder, Ref, Response as Documented, ResponseBuilder},
};

use super::{ScimBody, filter::FILTER};
use crate::error::ApiError;

const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub(crate) struct ScimError {
    schemas: [&'static str; 1],
    /// The HTTP status.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scim_type: Option<&'static str>,
    detail: String,
}

/// The answer as it is sent.
pub(crate) fn rendered(error: &ApiError) -> Response {
    let status = error.status();
    let body = ScimError {
        schemas: [SCHEMA],
        status: status.as_str().to_owned(),
        scim_type: scim_type(error),
        detail: detail(error),
    };
    let mut response = (status, ScimBody(body)).into_response();
    error.add_retry_after(&mut response);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"Syncline\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn scim_type(error: &ApiError) -> Option<&'static str> {
    match error {
        ApiError::Validation { field, .. } if field == FILTER => Some("invalidFilter"),
        ApiError::Validation { .. } => Some("invalidValue"),
        _ => None,
    }
}

fn detail(error: &ApiError) -> String {
    match error {
        ApiError::MethodNotAllowed => "users are only read here: this path takes GET".to_owned(),
        other => other.told(),
    }
}

/// As the OpenAPI document has it, for every operation.
pub(crate) fn documented() -> Documented {
    let schema = Ref::from_schema_name("Error");
    ResponseBuilder::new()
        .description("What went wrong")
        .content(
            "application/scim+json",
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .build()
}
