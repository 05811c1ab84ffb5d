//! Sync runs: what each sync did, when, and how much of the provider's data it covered.

use std::collections::BTreeMap;

use axum::{Json as JsonBody, extract::State};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_model::{
    Category, Coverage, Object, ProviderName, ReadStrategy, StateName, Time, WaitReason,
};
use syncline_store::{RunFilter, SyncRun, TimeBound};
use utoipa::{IntoParams, ToSchema};

use super::syncs::{check_filter_values, check_object_filter};
use crate::{
    AppState,
    cursor::{self, MAX_PAGE_SIZE, ResultList, cut, links, page_request, position},
    error::{ApiError, ApiResult},
    extract::{Caller, Path, Query},
    openapi::ObjectName,
};

/// The most rejected records that one run shows.
const REJECTIONS_SHOWN: usize = 100;
/// The list that this module's cursors belong to.
const LIST: &str = "sync_runs";

#[derive(Serialize, ToSchema)]
#[schema(as = sync_run)]
pub(crate) struct SyncRunBody {
    id: String,
    sync_id: String,
    /// `object`.
    r#type: &'static str,
    /// `common`.
    object_type: &'static str,
    #[schema(value_type = ObjectName)]
    object: Object,
    /// `IN_PROGRESS`, `SUCCESS` or `FAILURE`.
    status: &'static str,
    /// Whether it reads everything, or what changed since the run before.
    strategy: ReadStrategy,
    #[schema(required = true)]
    error_message: Option<String>,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    start_timestamp: Time,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    end_timestamp: Option<Time>,
    application_id: String,
    customer_id: String,
    provider_name: ProviderName,
    category: Category,
    connection_id: String,
    #[schema(required = true)]
    num_records_synced: Option<i64>,
    /// `queued`, `running`, `waiting`, `succeeded`, `failed`, `stalled` or `cancelled`.
    state: StateName,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    waiting_until: Option<Time>,
    #[schema(required = true)]
    waiting_reason: Option<WaitReason>,
    #[schema(required = true)]
    coverage: Option<Coverage>,
    records_created: i64,
    records_updated: i64,
    records_unchanged: i64,
    records_deleted: i64,
    records_rejected: i64,
    /// Rows that the provider no longer lists, but that are not known to be deleted.
    records_missing: i64,
    /// Deletions that wait for `_apply_deletes`.
    deletes_held: i64,
    requests_made: i64,
    /// The provider's names of fields that could not be read, such as `title` or `phone_numbers[]`,
    /// and in how many records. Those records were stored without them.
    fields_unread: BTreeMap<String, i64>,
}

impl From<SyncRun> for SyncRunBody {
    fn from(run: SyncRun) -> Self {
        Self {
            status: run.state.status(),
            id: run.id,
            sync_id: run.sync_id,
            r#type: "object",
            object_type: "common",
            object: run.object,
            strategy: run.strategy,
            error_message: run.error_message,
            start_timestamp: run.started_at,
            end_timestamp: run.finished_at,
            application_id: run.application_id,
            customer_id: run.customer_id,
            provider_name: run.provider,
            category: Category::Engagement,
            connection_id: run.connection_id,
            num_records_synced: run.num_records_synced,
            state: run.state,
            waiting_until: run.waiting_until,
            waiting_reason: run.waiting_reason,
            coverage: run.coverage,
            records_created: run.counters.records_created,
            records_updated: run.counters.records_updated,
            records_unchanged: run.counters.records_unchanged,
            records_deleted: run.counters.records_deleted,
            records_rejected: run.counters.records_rejected,
            records_missing: run.counters.records_missing,
            deletes_held: run.counters.deletes_held,
            requests_made: run.counters.requests_made,
            fields_unread: run.fields_unread,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSyncRuns {
    cursor: Option<String>,
    /// 1 to 1000; default 1000.
    page_size: Option<String>,
    customer_id: Option<String>,
    provider_name: Option<String>,
    object_type: Option<String>,
    object: Option<String>,
    /// Deprecated, and rejected: entities belong to CRM providers.
    entity_id: Option<String>,
    /// Case-insensitive.
    status: Option<String>,
    /// `>` or `<` and an ISO 8601 time, URL-encoded.
    start_timestamp: Option<String>,
    /// `>` or `<` and an ISO 8601 time, URL-encoded.
    end_timestamp: Option<String>,
}

/// Sync runs, newest first.
#[utoipa::path(get, path = "/sync-runs", tag = "SyncRuns", operation_id = "getSyncRuns",
    params(ListSyncRuns),
    responses((status = 200, description = "Sync runs", body = ResultList<SyncRunBody>)))]
pub(crate) async fn list_sync_runs(
    caller: Caller,
    Query(query): Query<ListSyncRuns>,
) -> ApiResult<JsonBody<ResultList<SyncRunBody>>> {
    check_object_filter(query.object_type.as_deref(), query.entity_id.as_deref())?;
    check_filter_values(
        query.customer_id.as_deref(),
        query.provider_name.as_deref(),
        query.object.as_deref(),
    )?;
    let size = cursor::page_size(query.page_size.as_deref(), MAX_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), LIST)?;
    let filter = query.filter()?;
    let rows = caller
        .tenant
        .list_runs(&filter, &page_request(position.as_ref(), size))
        .await?;
    let page = cut(rows, size, position.as_ref());
    let total = page.total(caller.tenant.count_runs(&filter)).await?;
    let (next, previous) = links(&page, LIST, |run| run.id.as_str());
    Ok(JsonBody(ResultList {
        next,
        previous,
        results: page.rows.into_iter().map(Into::into).collect(),
        total_count: total.count,
        total_count_is_exact: total.is_exact,
    }))
}

#[derive(Serialize, ToSchema)]
#[schema(as = sync_run_with_rejections)]
pub(crate) struct SyncRunDetail {
    #[serde(flatten)]
    run: SyncRunBody,
    /// The first records that were rejected, each with its `id` (or null) and the `reason`.
    #[schema(value_type = Vec<Object>)]
    rejections: Vec<Value>,
}

/// One sync run, with the records that it rejected.
#[utoipa::path(get, path = "/sync-runs/{run_id}", tag = "SyncRuns", operation_id = "getSyncRun",
    params(("run_id" = String, Path, description = "The run's id")),
    responses((status = 200, description = "The sync run", body = SyncRunDetail)))]
pub(crate) async fn get_sync_run(
    caller: Caller,
    State(state): State<AppState>,
    Path(run_id): Path<String>,
) -> ApiResult<JsonBody<SyncRunDetail>> {
    let run = find(&caller, &run_id).await?;
    detail(&state, run).await
}

/// Applies the deletions that a run held. Records that a later run has seen are not deleted.
///
/// Calling it again changes nothing more. 409 while the run has not ended.
#[utoipa::path(post, path = "/sync-runs/{run_id}/_apply_deletes", tag = "SyncRuns",
    operation_id = "applyDeletes",
    params(("run_id" = String, Path, description = "The run's id")),
    responses((status = 200, description = "The sync run", body = SyncRunDetail)))]
pub(crate) async fn apply_deletes(
    caller: Caller,
    State(state): State<AppState>,
    Path(run_id): Path<String>,
) -> ApiResult<JsonBody<SyncRunDetail>> {
    let run = find(&caller, &run_id).await?;
    if run.finished_at.is_none() {
        return Err(ApiError::Conflict(format!(
            "sync run {run_id} has not ended yet: its deletions are known when it has"
        )));
    }
    caller.tenant.apply_deletes(&run_id).await?;
    // If the connection was deleted just now, its runs are gone too.
    let run = find(&caller, &run_id).await?;
    detail(&state, run).await
}

async fn find(caller: &Caller, run_id: &str) -> ApiResult<SyncRun> {
    caller
        .tenant
        .get_run(run_id)
        .await?
        .ok_or_else(|| ApiError::NotFound(format!("Can't find sync run with id {run_id}")))
}

async fn detail(state: &AppState, run: SyncRun) -> ApiResult<JsonBody<SyncRunDetail>> {
    let rejections = state.store.rejections(&run, REJECTIONS_SHOWN).await?;
    Ok(JsonBody(SyncRunDetail {
        run: run.into(),
        rejections,
    }))
}

impl ListSyncRuns {
    fn filter(self) -> ApiResult<RunFilter> {
        let status = self.status.map(|status| status.to_ascii_uppercase());
        if let Some(status) = &status
            && !["IN_PROGRESS", "SUCCESS", "FAILURE"].contains(&status.as_str())
        {
            return Err(ApiError::validation(
                "status",
                format!("'{status}' is none of IN_PROGRESS, SUCCESS, FAILURE"),
            ));
        }
        Ok(RunFilter {
            customer_id: self.customer_id,
            provider_name: self.provider_name,
            object: self.object,
            status,
            started: bound("start_timestamp", self.start_timestamp.as_deref())?,
            finished: bound("end_timestamp", self.end_timestamp.as_deref())?,
        })
    }
}

fn bound(field: &str, text: Option<&str>) -> ApiResult<Option<TimeBound>> {
    let Some(text) = text else { return Ok(None) };
    let invalid = || {
        ApiError::validation(
            field,
            format!("invalid time filter: {text}; write >TIME or <TIME"),
        )
    };
    let (sign, time) = text.split_at_checked(1).ok_or_else(invalid)?;
    let time = DateTime::parse_from_rfc3339(time)
        .map_err(|_| invalid())?
        .to_utc();
    match sign {
        ">" => Ok(Some(TimeBound::After(time))),
        "<" => Ok(Some(TimeBound::Before(time))),
        _ => Err(invalid()),
    }
}
