//! The audit log, for administrators.

use axum::{Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use syncline_model::{AuditResult, Time};
use syncline_store::{AuditFilter, AuditRow};
use utoipa::{IntoParams, ToSchema};

use crate::{
    AppState,
    cursor::{self, MAX_PAGE_SIZE, ResultList, cut, links, page_request, position},
    error::{ApiError, ApiResult},
    extract::{Caller, Query},
};

/// The list that this module's cursors belong to.
const LIST: &str = "audit_log";

#[derive(Serialize, ToSchema)]
#[schema(as = audit_entry)]
pub(crate) struct AuditEntryBody {
    id: String,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// `api_key`, or `cli` for a command on the machine.
    actor: String,
    #[schema(required = true)]
    key_id: Option<String>,
    #[schema(required = true)]
    key_name: Option<String>,
    /// Such as `connection.create`.
    action: String,
    #[schema(required = true)]
    method: Option<String>,
    /// The route with the names of its parameters.
    #[schema(required = true)]
    route: Option<String>,
    #[schema(required = true)]
    customer_id: Option<String>,
    #[schema(required = true)]
    connection_id: Option<String>,
    #[schema(required = true)]
    provider_name: Option<String>,
    /// Method and path of the request to the provider, without its query.
    #[schema(required = true)]
    provider_request: Option<String>,
    /// `ok`, `denied` or `failed`.
    result: String,
    /// The status of the answer.
    #[schema(required = true)]
    status: Option<i64>,
    /// The `x-request-id` of the answer.
    #[schema(required = true)]
    request_id: Option<String>,
    /// The whole entry as one line.
    message: String,
}

impl From<AuditRow> for AuditEntryBody {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at.into(),
            actor: row.actor,
            key_id: row.key_id,
            key_name: row.key_name,
            action: row.action,
            method: row.method,
            route: row.route,
            customer_id: row.customer_id,
            connection_id: row.connection_id,
            provider_name: row.provider_name,
            provider_request: row.provider_request,
            result: row.result,
            status: row.status,
            request_id: row.request_id,
            message: row.message,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAuditLog {
    cursor: Option<String>,
    /// 1 to 1000; default 1000.
    page_size: Option<String>,
    key_id: Option<String>,
    action: Option<String>,
    customer_id: Option<String>,
    connection_id: Option<String>,
    /// `ok`, `denied` or `failed`.
    result: Option<String>,
    /// Entries at this ISO 8601 time or later.
    from: Option<String>,
    /// Entries before this ISO 8601 time.
    to: Option<String>,
}

/// What was done with this application's keys, newest first. For admin keys.
#[utoipa::path(get, path = "/audit_log", tag = "AuditLog", operation_id = "getAuditLog",
    params(ListAuditLog),
    responses((status = 200, description = "Entries", body = ResultList<AuditEntryBody>)))]
pub(crate) async fn list_audit_log(
    caller: Caller,
    State(state): State<AppState>,
    Query(query): Query<ListAuditLog>,
) -> ApiResult<JsonBody<ResultList<AuditEntryBody>>> {
    let size = cursor::page_size(query.page_size.as_deref(), MAX_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), LIST)?;
    let filter = query.filter()?;
    // So that the list contains everything that this process has recorded.
    state.recorder.flush().await;
    let tenant = &caller.tenant;
    let rows = tenant
        .list_audit_log(&filter, &page_request(position.as_ref(), size))
        .await?;
    let page = cut(rows, size, position.as_ref());
    let total = page.total(tenant.count_audit_log(&filter)).await?;
    let (next, previous) = links(&page, LIST, |row| row.id.as_str());
    Ok(JsonBody(ResultList {
        next,
        previous,
        results: page.rows.into_iter().map(Into::into).collect(),
        total_count: total.count,
        total_count_is_exact: total.is_exact,
    }))
}

impl ListAuditLog {
    fn filter(&self) -> ApiResult<AuditFilter> {
        let result = self.result.as_deref().map(str::parse::<AuditResult>);
        let result = result.transpose();
        Ok(AuditFilter {
            key_id: self.key_id.clone(),
            action: self.action.clone(),
            customer_id: self.customer_id.clone(),
            connection_id: self.connection_id.clone(),
            result: result.map_err(|error| ApiError::validation("result", error.to_string()))?,
            from: time("from", self.from.as_deref())?,
            to: time("to", self.to.as_deref())?,
        })
    }
}

fn time(name: &'static str, text: Option<&str>) -> ApiResult<Option<Time>> {
    let parse = |text: &str| {
        chrono::DateTime::parse_from_rfc3339(text)
            .map(|time| time.to_utc())
            .map_err(|_| ApiError::validation(name, "must be a time such as 2026-03-01T12:00:00Z"))
    };
    text.map(parse).transpose()
}
