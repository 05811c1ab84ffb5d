//! Approvals: calls of agents that wait for a person. List, approve, deny.

use axum::{Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_model::{ProviderName, Time};
use syncline_store::{Approval, ApprovalStatus, Decided, KeyName};
use utoipa::{IntoParams, ToSchema};

use crate::{
    AppState,
    actions::approved,
    audit::words::one_line,
    cursor::{self, MAX_PAGE_SIZE, ResultList, cut, links, page_request, position},
    error::{ApiError, ApiResult},
    extract::{Caller, Path, Query},
};

/// The list that this module's cursors belong to.
const LIST: &str = "approvals";

#[derive(Serialize, ToSchema)]
#[schema(as = approval)]
pub(crate) struct ApprovalBody {
    id: String,
    /// `pending`, `approved` (it runs), `denied`, `expired`, `done` or `failed`.
    status: &'static str,
    /// Such as `contacts.create`.
    action: String,
    /// What the call does, in a sentence.
    summary: String,
    customer_id: String,
    provider_name: ProviderName,
    /// The input that the call is made with; null if what is stored of it can't be read, for example
    /// because its encryption key is gone.
    #[schema(value_type = Option<Object>, required = true)]
    input: Value,
    /// The agent.
    requested_by: KeyNameBody,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    requested_at: Time,
    /// Until when it can be decided: a day after it was requested.
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    #[schema(required = true)]
    decided_by: Option<KeyNameBody>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    decided_at: Option<Time>,
    /// Once it has run: `result`, `is_cut` and `credits_spent`, or an `error` with a `title`.
    #[schema(required = true, value_type = Option<Object>)]
    result: Option<Value>,
}

/// An API key, by the name that it had then.
#[derive(Serialize, ToSchema)]
#[schema(as = api_key_name)]
pub(crate) struct KeyNameBody {
    api_key_id: String,
    name: String,
}

impl From<KeyName> for KeyNameBody {
    fn from(key: KeyName) -> Self {
        Self {
            api_key_id: key.id,
            name: key.name,
        }
    }
}

impl ApprovalBody {
    pub(crate) fn new(state: &AppState, approval: Approval) -> Self {
        Self {
            summary: approved::words_of(state, &approval),
            id: approval.id,
            status: approval.status.as_str(),
            action: approval.action,
            customer_id: approval.customer_id,
            provider_name: approval.provider,
            input: approval.input,
            requested_by: approval.requested_by.into(),
            requested_at: approval.requested_at,
            expires_at: approval.expires_at,
            decided_by: approval.decided_by.map(Into::into),
            decided_at: approval.decided_at,
            result: approval.result,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListApprovals {
    cursor: Option<String>,
    /// 1 to 1000; default 1000.
    page_size: Option<String>,
    /// `pending`, `approved`, `denied`, `expired`, `done` or `failed`.
    status: Option<String>,
}

/// Calls of agents that wait for a person, or did, newest first.
#[utoipa::path(get, path = "/approvals", tag = "Approvals", operation_id = "getApprovals",
    params(ListApprovals),
    responses((status = 200, description = "Approvals", body = ResultList<ApprovalBody>)))]
pub(crate) async fn list_approvals(
    caller: Caller,
    State(state): State<AppState>,
    Query(query): Query<ListApprovals>,
) -> ApiResult<JsonBody<ResultList<ApprovalBody>>> {
    let status = query.status.as_deref().map(status_of).transpose()?;
    let size = cursor::page_size(query.page_size.as_deref(), MAX_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), LIST)?;
    let page = page_request(position.as_ref(), size);
    let rows = caller.tenant.list_approvals(status, &page).await?;
    let page = cut(rows, size, position.as_ref());
    let total = page.total(caller.tenant.count_approvals(status)).await?;
    let (next, previous) = links(&page, LIST, |approval| approval.id.as_str());
    let shown = page.rows.into_iter();
    Ok(JsonBody(ResultList {
        next,
        previous,
        results: shown.map(|it| ApprovalBody::new(&state, it)).collect(),
        total_count: total.count,
        total_count_is_exact: total.is_exact,
    }))
}

fn status_of(text: &str) -> ApiResult<ApprovalStatus> {
    let mut all = ApprovalStatus::ALL.iter().copied();
    let found = all.find(|status| status.as_str() == text);
    found.ok_or_else(|| {
        let all = ApprovalStatus::ALL.iter().map(|it| it.as_str());
        let all: Vec<_> = all.collect();
        ApiError::validation("status", format!("must be one of {}", all.join(", ")))
    })
}

/// One approval.
#[utoipa::path(get, path = "/approvals/{approval_id}", tag = "Approvals", operation_id = "getApproval",
    params(("approval_id" = String, Path, description = "The approval's id")),
    responses((status = 200, description = "The approval", body = ApprovalBody)))]
pub(crate) async fn get_approval(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<ApprovalBody>> {
    let approval = caller.tenant.get_approval(&id).await?;
    let approval = approval.ok_or_else(|| unknown(&id))?;
    Ok(JsonBody(ApprovalBody::new(&state, approval)))
}

/// Approves a call, which is then made once, exactly as it is shown here. The answer comes when it has
/// been made. One that was decided before, or has expired, is 409.
#[utoipa::path(post, path = "/approvals/{approval_id}/_approve", tag = "Approvals",
    operation_id = "approve",
    params(("approval_id" = String, Path, description = "The approval's id")),
    responses((status = 200, description = "The approval", body = ApprovalBody)))]
pub(crate) async fn approve(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<ApprovalBody>> {
    let approval = decide(&state, &caller, &id, true).await?;
    let made = approved::spawn(&state, caller.tenant.clone(), approval.clone()).await;
    made.map_err(|error| ApiError::Internal(error.to_string()))?;
    let newest = caller.tenant.get_approval(&id).await?.unwrap_or(approval);
    Ok(JsonBody(ApprovalBody::new(&state, newest)))
}

/// Denies a call. The agent is told so when it asks again. One that was decided before, or has expired,
/// is 409.
#[utoipa::path(post, path = "/approvals/{approval_id}/_deny", tag = "Approvals",
    operation_id = "deny",
    params(("approval_id" = String, Path, description = "The approval's id")),
    responses((status = 200, description = "The approval", body = ApprovalBody)))]
pub(crate) async fn deny(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<ApprovalBody>> {
    let approval = decide(&state, &caller, &id, false).await?;
    Ok(JsonBody(ApprovalBody::new(&state, approval)))
}

async fn decide(state: &AppState, caller: &Caller, id: &str, approve: bool) -> ApiResult<Approval> {
    let decided = caller
        .tenant
        .decide_approval(id, approve, &caller.key)
        .await?;
    let approval = match decided {
        Decided::Now(approval) => approval,
        Decided::Before(approval) => {
            let status = approval.status.as_str();
            let by = approval.decided_by.map(|by| format!(" by \"{}\"", by.name));
            let by = by.unwrap_or_default();
            return Err(ApiError::Conflict(format!(
                "this approval is {status} already{by}"
            )));
        }
        Decided::Unknown => return Err(unknown(id)),
    };
    let (agent, words) = (
        &approval.requested_by.name,
        approved::words_of(state, &approval),
    );
    caller
        .call
        .set_object(format!("that agent \"{}\" may {words}", one_line(agent)));
    caller.call.set_provider(approval.provider);
    caller.call.set_customer(&approval.customer_id);
    Ok(approval)
}

fn unknown(id: &str) -> ApiError {
    ApiError::NotFound(format!("Can't find approval with id {id}"))
}
