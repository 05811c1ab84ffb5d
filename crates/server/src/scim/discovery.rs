//! What the service can do, in SCIM's words (RFC 7643, sections 5 to 7): the same for every customer,
//! so that it is written down beside this file.

use std::sync::LazyLock;

use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{BASE, ScimBody, parameters::Parameters, users::LIST_RESPONSE};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Path},
};

/// A document whose locations begin below the base address.
static SERVICE_PROVIDER_CONFIG: LazyLock<Value> =
    LazyLock::new(|| parsed(include_str!("service_provider_config.json")));
static RESOURCE_TYPES: LazyLock<Value> =
    LazyLock::new(|| parsed(include_str!("resource_types.json")));
static SCHEMAS: LazyLock<Value> = LazyLock::new(|| parsed(include_str!("schemas.json")));

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// All other parameters are ignored here.
#[derive(Deserialize)]
pub(crate) struct Unfiltered {
    filter: Option<String>,
}

/// The placeholder of a path.
#[derive(Deserialize)]
pub(crate) struct NamedDefinition {
    definition_id: String,
}

/// What the service supports.
#[utoipa::path(get, path = "/ServiceProviderConfig", tag = "Discovery", operation_id = "getServiceProviderConfig",
    responses((status = 200, description = "RFC 7643, section 5", body = Object, content_type = "application/scim+json")))]
pub(crate) async fn get_service_provider_config(
    caller: Caller,
    State(state): State<AppState>,
    Parameters(asked): Parameters<Unfiltered>,
) -> ApiResult<ScimBody<Value>> {
    asked.is_not_filtered(&caller)?;
    Ok(ScimBody(located(&state, SERVICE_PROVIDER_CONFIG.clone())))
}

/// The kinds of resources: users.
#[utoipa::path(get, path = "/ResourceTypes", tag = "Discovery", operation_id = "listResourceTypes",
    responses((status = 200, description = "RFC 7643, section 6", body = Object, content_type = "application/scim+json")))]
pub(crate) async fn list_resource_types(
    caller: Caller,
    State(state): State<AppState>,
    Parameters(asked): Parameters<Unfiltered>,
) -> ApiResult<ScimBody<Value>> {
    asked.is_not_filtered(&caller)?;
    Ok(list(&state, &RESOURCE_TYPES))
}

/// One kind of resources.
#[utoipa::path(get, path = "/ResourceTypes/{definition_id}", tag = "Discovery", operation_id = "getResourceType",
    params(("definition_id" = String, Path, description = "`User`")),
    responses((status = 200, description = "RFC 7643, section 6", body = Object, content_type = "application/scim+json")))]
pub(crate) async fn get_resource_type(
    _: Caller,
    State(state): State<AppState>,
    Path(named): Path<NamedDefinition>,
) -> ApiResult<ScimBody<Value>> {
    one(&state, &RESOURCE_TYPES, &named)
}

/// The schemas of the resources.
#[utoipa::path(get, path = "/Schemas", tag = "Discovery", operation_id = "listSchemas",
    responses((status = 200, description = "RFC 7643, section 7", body = Object, content_type = "application/scim+json")))]
pub(crate) async fn list_schemas(
    caller: Caller,
    State(state): State<AppState>,
    Parameters(asked): Parameters<Unfiltered>,
) -> ApiResult<ScimBody<Value>> {
    asked.is_not_filtered(&caller)?;
    Ok(list(&state, &SCHEMAS))
}

/// One schema.
#[utoipa::path(get, path = "/Schemas/{definition_id}", tag = "Discovery", operation_id = "getSchema",
    params(("definition_id" = String, Path, description = "`urn:ietf:params:scim:schemas:core:2.0:User`")),
    responses((status = 200, description = "RFC 7643, section 7", body = Object, content_type = "application/scim+json")))]
pub(crate) async fn get_schema(
    _: Caller,
    State(state): State<AppState>,
    Path(named): Path<NamedDefinition>,
) -> ApiResult<ScimBody<Value>> {
    one(&state, &SCHEMAS, &named)
}

/// `/Me` is the user who calls, and an API key is none.
pub(crate) async fn get_me(_: Caller) -> ApiError {
    ApiError::NotImplemented("an API key is no user, so there is no /Me")
}

impl Unfiltered {
    /// RFC 7644, section 4: refused, so that no client takes what it gets for what it asked for.
    fn is_not_filtered(&self, caller: &Caller) -> ApiResult<()> {
        match &self.filter {
            None => Ok(()),
            Some(_) => Err(caller.refuse("this list takes no filter".to_owned())),
        }
    }
}

fn list(state: &AppState, definitions: &Value) -> ScimBody<Value> {
    let all = definitions.as_array().into_iter().flatten();
    let all: Vec<_> = all.map(|it| located(state, it.clone())).collect();
    ScimBody(json!({
        "schemas": [LIST_RESPONSE],
        "totalResults": all.len(),
        "startIndex": 1,
        "itemsPerPage": all.len(),
        "Resources": all,
    }))
}

fn one(
    state: &AppState,
    definitions: &Value,
    named: &NamedDefinition,
) -> ApiResult<ScimBody<Value>> {
    let id = &named.definition_id;
    let mut all = definitions.as_array().into_iter().flatten();
    let found = all.find(|it| it["id"] == **id);
    let found = found.ok_or_else(|| ApiError::NotFound(format!("there is no {id}")))?;
    Ok(ScimBody(located(state, found.clone())))
}

/// The definition with the whole address in its `meta`.
fn located(state: &AppState, mut definition: Value) -> Value {
    if let Some(Value::String(location)) = definition.pointer_mut("/meta/location") {
        location.insert_str(0, BASE);
        location.insert_str(0, &state.public_url);
    }
    definition
}
