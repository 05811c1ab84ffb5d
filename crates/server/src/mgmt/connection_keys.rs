//! The keys of a connection. Syncs keep to the main one; enrichment is spread over all.

use std::collections::BTreeMap;

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use syncline_engine::CheckedCredentials;
use syncline_model::{AuthType, Credentials, KeyKind, KeyStatus, Time};
use syncline_store::{AddedKey, Connection, ConnectionKey, NewConnectionKey, StoreError};
use utoipa::ToSchema;

use super::{connections::find_named, secrets};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path},
    provider_errors::ProviderFailure,
    texts::check_name,
};

/// The longest label, in characters.
pub(crate) const LONGEST_LABEL: usize = 100;

#[derive(Serialize, ToSchema)]
#[schema(as = connection_key)]
pub(crate) struct KeyBody {
    id: String,
    label: String,
    kind: KeyKind,
    /// Syncs use it. It is replaced and deleted with its connection.
    is_main: bool,
    status: KeyStatus,
    /// Why it is not used, in the provider's words.
    #[schema(required = true)]
    status_reason: Option<String>,
    /// When a key that is not used is tried again.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    retry_at: Option<Time>,
    /// The ids of other keys of the same account at the provider. They share one budget: together they
    /// may send no more than one of them, and they only stand in for each other.
    shares_budget_with: Vec<String>,
    /// The most credits that may be spent with it in 24 hours; null: no limit of its own.
    #[schema(required = true)]
    max_credits_per_day: Option<i64>,
    /// With a precision of one minute.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Time>,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

impl KeyBody {
    fn new(key: &ConnectionKey, all: &[ConnectionKey]) -> Self {
        let others = all
            .iter()
            .filter(|it| it.id != key.id && it.account_id == key.account_id);
        Self {
            shares_budget_with: others.map(|it| it.id.clone()).collect(),
            id: key.id.clone(),
            label: key.label.clone(),
            kind: key.kind,
            is_main: key.is_main,
            status: key.status,
            status_reason: key.status_reason.clone(),
            retry_at: key.retry_at,
            max_credits_per_day: key.max_credits_per_day,
            last_used_at: key.last_used_at,
            created_at: key.created_at,
        }
    }
}

/// How many keys of a kind there are, and how many more there may be.
#[derive(Serialize, ToSchema)]
#[schema(as = connection_key_slots)]
pub(crate) struct SlotsBody {
    used: usize,
    available: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = connection_keys)]
pub(crate) struct KeysBody {
    /// By kind: `self` and `managed`.
    slots: BTreeMap<&'static str, SlotsBody>,
    /// The main key first.
    keys: Vec<KeyBody>,
}

impl KeysBody {
    fn new(keys: &[ConnectionKey]) -> Self {
        let slots = KeyKind::ALL.into_iter().map(|kind| {
            let used = keys.iter().filter(|key| key.kind == kind).count();
            let available = kind.slots().saturating_sub(used);
            (kind.as_str(), SlotsBody { used, available })
        });
        Self {
            slots: slots.collect(),
            keys: keys.iter().map(|key| KeyBody::new(key, keys)).collect(),
        }
    }
}

/// A connection's keys, the main one first.
///
/// Enrichment is spread over all that can be used: a key that the provider rejects, that isn't allowed to
/// enrich or that has no credits left is passed over, and its `status` says so.
#[utoipa::path(get, path = "/customers/{customer_id}/connections/{provider_name}/keys",
    tag = "Connection keys", operation_id = "getConnectionKeys",
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name")),
    responses((status = 200, description = "The keys", body = KeysBody)))]
pub(crate) async fn list_connection_keys(
    caller: Caller,
    Path((customer_id, provider_name)): Path<(String, String)>,
) -> ApiResult<JsonBody<KeysBody>> {
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    let keys = caller.tenant.list_connection_keys(&connection).await?;
    Ok(JsonBody(KeysBody::new(&keys)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = create_connection_key)]
pub(crate) struct CreateKey {
    #[schema(min_length = 1)]
    api_key: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// `self`, the customer's own, or `managed`, yours. `self` if it is left out.
    kind: Option<KeyKind>,
    /// The most credits that may be spent with it in 24 hours.
    max_credits_per_day: Option<u32>,
}

/// Adds a key beside the main one. Nothing else changes: syncs keep to the main key.
///
/// 422 if the provider rejects the key; 409 if the connection has it already, or all slots of its kind are
/// used.
#[utoipa::path(post, path = "/customers/{customer_id}/connections/{provider_name}/keys",
    tag = "Connection keys", operation_id = "createConnectionKey", request_body = CreateKey,
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name")),
    responses((status = 200, description = "The key", body = KeyBody)))]
pub(crate) async fn create_connection_key(
    caller: Caller,
    State(state): State<AppState>,
    Path((customer_id, provider_name)): Path<(String, String)>,
    Json(body): Json<CreateKey>,
) -> ApiResult<JsonBody<KeyBody>> {
    check_label(&body.label)?;
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    let key = NewKey {
        label: &body.label,
        kind: body.kind.unwrap_or(KeyKind::Own),
        max_credits_per_day: body.max_credits_per_day.map(i64::from),
        magic_link_id: None,
    };
    let added = add_key(&state, &caller.tenant, &connection, &body.api_key, &key).await?;
    caller.call.set_object(format!("key \"{}\"", added.label));
    let keys = caller.tenant.list_connection_keys(&connection).await?;
    Ok(JsonBody(KeyBody::new(&added, &keys)))
}

/// What is said of a key that somebody wants to add.
pub(crate) struct NewKey<'a> {
    pub(crate) label: &'a str,
    pub(crate) kind: KeyKind,
    pub(crate) max_credits_per_day: Option<i64>,
    /// The magic link that is used up by it.
    pub(crate) magic_link_id: Option<&'a str>,
}

/// Checks a key with its provider, and adds it.
async fn add_key(
    state: &AppState,
    tenant: &syncline_store::Tenant,
    connection: &Connection,
    api_key: &str,
    new: &NewKey<'_>,
) -> ApiResult<ConnectionKey> {
    let provider = state.providers.get(connection.provider)?;
    if !provider.auth_types().contains(&AuthType::ApiKey) {
        let reason = format!("{} has no API keys", provider.title());
        return Err(ApiError::validation("api_key", reason));
    }
    let key = secrets::required("api_key", Some(api_key))?;
    let checked = CheckedCredentials::check(&**provider, Credentials::ApiKey(key)).await;
    let checked = checked.map_err(|rejected| {
        let failure = ProviderFailure::rejected_credentials(rejected.provider, &rejected.reason);
        ApiError::Provider(failure)
    })?;
    match add_checked_key(tenant, connection, &checked, new).await? {
        AddedKey::Added(key) => Ok(*key),
        AddedKey::IsMain => Err(ApiError::Conflict(
            "this is the connection's main key".to_owned(),
        )),
        AddedKey::Known => Err(ApiError::Conflict(
            "the connection has this key already".to_owned(),
        )),
        AddedKey::NoSlot => Err(ApiError::Conflict(format!(
            "all {} slots for keys of the kind {} are used: delete one first",
            new.kind.slots(),
            new.kind.as_str()
        ))),
    }
}

/// Adds a key that was checked with its provider.
pub(crate) async fn add_checked_key(
    tenant: &syncline_store::Tenant,
    connection: &Connection,
    checked: &CheckedCredentials,
    new: &NewKey<'_>,
) -> Result<AddedKey, StoreError> {
    let (account, own_account) = checked.account_ids();
    let added = NewConnectionKey {
        label: new.label,
        kind: new.kind,
        credentials: checked.credentials(),
        own_account_id: own_account,
        account_id: account,
        max_credits_per_day: new.max_credits_per_day,
        magic_link_id: new.magic_link_id,
    };
    tenant.add_connection_key(connection, &added).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = update_connection_key)]
pub(crate) struct UpdateKey {
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// The most credits that may be spent with it in 24 hours; without it, it has no limit of its own.
    max_credits_per_day: Option<u32>,
}

/// Replaces a key's label and what it may spend; also of the main key.
#[utoipa::path(put, path = "/customers/{customer_id}/connections/{provider_name}/keys/{key_id}",
    tag = "Connection keys", operation_id = "updateConnectionKey", request_body = UpdateKey,
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name"),
        ("key_id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = KeyBody)))]
pub(crate) async fn update_connection_key(
    caller: Caller,
    Path((customer_id, provider_name, key_id)): Path<(String, String, String)>,
    Json(body): Json<UpdateKey>,
) -> ApiResult<JsonBody<KeyBody>> {
    check_label(&body.label)?;
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    let most = body.max_credits_per_day.map(i64::from);
    let tenant = &caller.tenant;
    let updated = tenant.update_connection_key(&connection, &key_id, &body.label, most);
    let updated = updated.await?.ok_or_else(|| unknown(&key_id))?;
    let keys = tenant.list_connection_keys(&connection).await?;
    Ok(JsonBody(KeyBody::new(&updated, &keys)))
}

/// Deletes a key. Of the main key 409: it goes with its connection, and is replaced by a `PUT` to it.
#[utoipa::path(delete,
    path = "/customers/{customer_id}/connections/{provider_name}/keys/{key_id}",
    tag = "Connection keys", operation_id = "deleteConnectionKey",
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name"),
        ("key_id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "The key is gone")))]
pub(crate) async fn delete_connection_key(
    caller: Caller,
    Path((customer_id, provider_name, key_id)): Path<(String, String, String)>,
) -> ApiResult<StatusCode> {
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    if key_id == connection.id {
        return Err(ApiError::Conflict(
            "this is the main key: PUT another one to the connection, or DELETE the connection"
                .to_owned(),
        ));
    }
    let tenant = &caller.tenant;
    if tenant.delete_connection_key(&connection, &key_id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&key_id))
    }
}

fn check_label(label: &str) -> ApiResult<()> {
    if label.trim().is_empty() {
        return Err(ApiError::validation("label", "must not be empty"));
    }
    check_name("label", label, LONGEST_LABEL)
}

fn unknown(id: &str) -> ApiError {
    ApiError::NotFound(format!("Can't find key with id: {id}"))
}
