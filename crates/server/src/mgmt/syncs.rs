//! Syncs: one per connection and object. List, pause, resume, trigger.

use axum::{Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use syncline_model::{Coverage, Object, ProviderName, StateName, Time};
use syncline_store::{RunsOfSync, Sync, SyncFilter, SyncRun, Tenant};
use utoipa::{IntoParams, ToSchema};

use super::next_run::NextRun;
use crate::{
    AppState,
    cursor::{self, MAX_PAGE_SIZE, ResultList, cut, links, page_request, position},
    error::{ApiError, ApiResult},
    extract::{Caller, Json, ManagedConnection, Query},
    openapi::ObjectName,
};

/// The list that this module's cursors belong to.
const LIST: &str = "syncs";

#[derive(Serialize, ToSchema)]
#[schema(as = sync_with_provider_and_customer)]
pub(crate) struct SyncBody {
    id: String,
    /// `object`.
    r#type: &'static str,
    /// `common`.
    object_type: &'static str,
    #[schema(value_type = ObjectName)]
    object: Object,
    connection_id: String,
    sync_config_id: String,
    paused: bool,
    provider_name: ProviderName,
    customer_id: String,
    /// `queued`, `running` or `waiting` while a run is active; otherwise `paused` or `idle`.
    state: String,
    #[schema(required = true)]
    paused_reason: Option<String>,
    #[schema(required = true)]
    last_run: Option<LastRun>,
    /// When the next run starts, or the waiting one continues. Null while the sync is paused.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    next_run_at: Option<Time>,
    /// The reason, if it isn't simply the sync's period.
    #[schema(required = true)]
    next_run_reason: Option<&'static str>,
    /// The progress of the active run.
    #[schema(required = true)]
    progress: Option<Progress>,
}

#[derive(Serialize, ToSchema)]
struct LastRun {
    id: String,
    status: &'static str,
    state: StateName,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    start_timestamp: Time,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    end_timestamp: Option<Time>,
    #[schema(required = true)]
    error_message: Option<String>,
    #[schema(required = true)]
    num_records_synced: Option<i64>,
    /// How much of the provider's records it covered; null until it has ended.
    #[schema(required = true)]
    coverage: Option<Coverage>,
}

#[derive(Serialize, ToSchema)]
struct Progress {
    records_read: i64,
    /// The provider's total; null until it is known.
    #[schema(required = true)]
    records_reported: Option<i64>,
    requests_made: i64,
}

impl SyncBody {
    pub(crate) async fn with_last_runs(tenant: &Tenant, syncs: Vec<Sync>) -> ApiResult<Vec<Self>> {
        let mut runs = tenant.last_runs(&syncs).await?;
        let shown = syncs.into_iter().map(|sync| {
            let at = runs.iter().position(|run| run.sync_id == sync.id);
            Self::new(sync, at.map(|at| runs.swap_remove(at)))
        });
        Ok(shown.collect())
    }

    fn new(sync: Sync, last_run: Option<SyncRun>) -> Self {
        let active = last_run.as_ref().filter(|run| run.finished_at.is_none());
        let state = match (active, sync.paused) {
            (Some(run), _) => run.state.to_string(),
            (None, true) => "paused".to_owned(),
            (None, false) => "idle".to_owned(),
        };
        let next = NextRun::of(&sync, active);
        Self {
            state,
            progress: active.map(|run| Progress {
                records_read: run.counters.records_read,
                records_reported: run.records_reported,
                requests_made: run.counters.requests_made,
            }),
            last_run: last_run.map(|run| LastRun {
                status: run.state.status(),
                id: run.id,
                state: run.state,
                start_timestamp: run.started_at,
                end_timestamp: run.finished_at,
                error_message: run.error_message,
                num_records_synced: run.num_records_synced,
                coverage: run.coverage,
            }),
            next_run_at: next.at,
            next_run_reason: next.reason,
            id: sync.id,
            r#type: "object",
            object_type: "common",
            object: sync.object,
            connection_id: sync.connection_id,
            sync_config_id: sync.sync_config_id,
            paused: sync.paused,
            paused_reason: sync.paused_reason,
            provider_name: sync.provider,
            customer_id: sync.customer_id,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSyncs {
    cursor: Option<String>,
    /// 1 to 1000; default 1000.
    page_size: Option<String>,
    customer_id: Option<String>,
    provider_name: Option<String>,
    object_type: Option<String>,
    object: Option<String>,
    /// `queued`, `running` or `waiting` while a run is active; otherwise `paused` or `idle`.
    state: Option<String>,
    /// Status of the newest run: `IN_PROGRESS`, `SUCCESS` or `FAILURE`. Not together with `state`.
    status: Option<String>,
    /// Deprecated, and rejected: entities belong to CRM providers.
    entity_id: Option<String>,
}

/// Syncs, in the order of their creation.
#[utoipa::path(get, path = "/syncs", tag = "Syncs", operation_id = "getSyncs", params(ListSyncs),
    responses((status = 200, description = "Syncs", body = ResultList<SyncBody>)))]
pub(crate) async fn list_syncs(
    caller: Caller,
    Query(query): Query<ListSyncs>,
) -> ApiResult<JsonBody<ResultList<SyncBody>>> {
    if query.object_type.is_some() != query.object.is_some() {
        return Err(ApiError::validation(
            "object",
            "must filter on (object_type, object) or entity_id or neither",
        ));
    }
    check_object_filter(query.object_type.as_deref(), query.entity_id.as_deref())?;
    check_filter_values(
        query.customer_id.as_deref(),
        query.provider_name.as_deref(),
        query.object.as_deref(),
    )?;
    let size = cursor::page_size(query.page_size.as_deref(), MAX_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), LIST)?;
    let filter = SyncFilter {
        customer_id: query.customer_id,
        provider_name: query.provider_name,
        object: query.object,
        runs: runs_of_sync(query.state.as_deref(), query.status.as_deref())?,
    };
    let rows = caller
        .tenant
        .list_syncs(&filter, &page_request(position.as_ref(), size))
        .await?;
    let page = cut(rows, size, position.as_ref());
    let total = page.total(caller.tenant.count_syncs(&filter)).await?;
    let (next, previous) = links(&page, LIST, |sync| sync.id.as_str());
    Ok(JsonBody(ResultList {
        next,
        previous,
        results: SyncBody::with_last_runs(&caller.tenant, page.rows).await?,
        total_count: total.count,
        total_count_is_exact: total.is_exact,
    }))
}

/// The filter on a sync's runs.
fn runs_of_sync(state: Option<&str>, status: Option<&str>) -> ApiResult<RunsOfSync> {
    let unknown = |field, words| ApiError::validation(field, format!("must be one of {words}"));
    match (state, status) {
        (None, None) => Ok(RunsOfSync::Any),
        (Some(state), None) => match state {
            "queued" => Ok(RunsOfSync::Active(Some("queued"))),
            "running" => Ok(RunsOfSync::Active(Some("running"))),
            "waiting" => Ok(RunsOfSync::Active(Some("waiting"))),
            "paused" => Ok(RunsOfSync::Paused),
            "idle" => Ok(RunsOfSync::Idle),
            _ => Err(unknown("state", "queued, running, waiting, paused, idle")),
        },
        (None, Some(status)) => match status {
            "IN_PROGRESS" => Ok(RunsOfSync::Active(None)),
            "SUCCESS" => Ok(RunsOfSync::Succeeded),
            "FAILURE" => Ok(RunsOfSync::Failed),
            _ => Err(unknown("status", "IN_PROGRESS, SUCCESS, FAILURE")),
        },
        (Some(_), Some(_)) => Err(ApiError::validation(
            "status",
            "filter on state or on status, not on both",
        )),
    }
}

#[derive(Deserialize, ToSchema)]
#[schema(as = select_sync)]
pub(crate) struct SelectSync {
    /// `common`.
    object_type: String,
    object: String,
}

/// Stops a sync from starting runs; an active run continues.
#[utoipa::path(post, path = "/syncs/_pause", tag = "Syncs", operation_id = "pauseSync",
    request_body = SelectSync,
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The sync", body = SyncBody)))]
pub(crate) async fn pause_sync(
    selected: ManagedConnection,
    State(state): State<AppState>,
    Json(body): Json<SelectSync>,
) -> ApiResult<JsonBody<SyncBody>> {
    let scope = (&selected, &body.object_type, &body.object);
    let sync = find(scope).await?;
    state
        .store
        .pause_sync(
            &sync,
            &selected.connection.reference(),
            "Manually paused by user",
        )
        .await?;
    answer(scope).await
}

/// Resumes a paused sync.
#[utoipa::path(post, path = "/syncs/_resume", tag = "Syncs", operation_id = "resumeSync",
    request_body = SelectSync,
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The sync", body = SyncBody)))]
pub(crate) async fn resume_sync(
    selected: ManagedConnection,
    State(state): State<AppState>,
    Json(body): Json<SelectSync>,
) -> ApiResult<JsonBody<SyncBody>> {
    let scope = (&selected, &body.object_type, &body.object);
    let sync = find(scope).await?;
    state.store.resume_sync(&sync).await?;
    state.wake.wake();
    answer(scope).await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = trigger_sync)]
pub(crate) struct TriggerSync {
    /// `common`.
    object_type: String,
    object: String,
    #[serde(default)]
    perform_full_refresh: bool,
}

/// Starts a run now, or one more after the active one.
#[utoipa::path(post, path = "/syncs/_trigger", tag = "Syncs", operation_id = "triggerSync",
    request_body = TriggerSync,
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The sync", body = SyncBody)))]
pub(crate) async fn trigger_sync(
    selected: ManagedConnection,
    State(state): State<AppState>,
    Json(body): Json<TriggerSync>,
) -> ApiResult<JsonBody<SyncBody>> {
    let scope = (&selected, &body.object_type, &body.object);
    let sync = find(scope).await?;
    state
        .store
        .trigger_sync(&sync, body.perform_full_refresh)
        .await?;
    state.wake.wake();
    answer(scope).await
}

/// A connection, an object type and an object, which select one sync.
type Scope<'a> = (&'a ManagedConnection, &'a String, &'a String);

async fn find((selected, object_type, object): Scope<'_>) -> ApiResult<Sync> {
    check_object_type(object_type)?;
    let ManagedConnection { connection, caller } = selected;
    // An unknown object has no sync either.
    let found = match object.parse::<Object>() {
        Ok(kind) => caller.tenant.find_sync(connection, kind).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| {
        ApiError::NotFound(format!(
            "Sync not found for connectionId: {}, objectType: {object_type}, object: {object}",
            connection.id
        ))
    })
}

async fn answer(scope: Scope<'_>) -> ApiResult<JsonBody<SyncBody>> {
    let sync = find(scope).await?;
    let (selected, ..) = scope;
    let tenant = &selected.caller.tenant;
    let last_run = tenant.last_runs(std::slice::from_ref(&sync)).await?.pop();
    Ok(JsonBody(SyncBody::new(sync, last_run)))
}

fn check_object_type(object_type: &str) -> ApiResult<()> {
    match object_type {
        "common" => Ok(()),
        "standard" | "custom" => Err(ApiError::validation(
            "object_type",
            "engagement providers have common objects only",
        )),
        other => Err(ApiError::validation(
            "object_type",
            format!("'{other}' is none of common, standard, custom"),
        )),
    }
}

/// Checks `object_type` and `entity_id` in a list's query.
pub(crate) fn check_object_filter(
    object_type: Option<&str>,
    entity_id: Option<&str>,
) -> ApiResult<()> {
    if entity_id.is_some() {
        return Err(ApiError::validation(
            "entity_id",
            "entities belong to CRM providers; filter on object_type and object",
        ));
    }
    object_type.map_or(Ok(()), check_object_type)
}

/// Filters that can't match anything are mistakes, which an empty list would hide.
pub(crate) fn check_filter_values(
    customer_id: Option<&str>,
    provider_name: Option<&str>,
    object: Option<&str>,
) -> ApiResult<()> {
    for (field, value) in [
        ("customer_id", customer_id),
        ("provider_name", provider_name),
    ] {
        if value.is_some_and(str::is_empty) {
            return Err(ApiError::validation(
                field,
                "must not be empty; leave it out for all of them",
            ));
        }
    }
    if let Some(object) = object {
        object
            .parse::<Object>()
            .map_err(|error| ApiError::validation("object", error.to_string()))?;
    }
    Ok(())
}
