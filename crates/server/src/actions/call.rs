//! `POST /actions/v2/actions/{name}`: a call of an action is checked, and then made, held for approval, or
//! refused.

use std::time::Duration;

use axum::{
    Json as JsonBody,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use syncline_model::{Permission, ProviderName, Time, line::name_or_quoted};
use syncline_store::{Approval, ApprovalStatus, Asked, Connection};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::{
    catalogue::{self, Listed},
    make::{Made, OnBehalf, in_input, make},
};
use crate::{
    AppState,
    access::{check_action, check_action_request},
    call::{CallApproval, CalledAction},
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path, Query, connection_names, find_connection},
};

/// In seconds.
const LONGEST_WAIT: u64 = 60;
/// In bytes of JSON. Free fields such as custom ones have no other bound, and an input may be kept for a
/// person to read.
const LARGEST_INPUT: usize = 32 * 1024;
/// How often a waiting call looks whether somebody has decided.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallAction {
    /// For how many seconds to wait for somebody who approves the call, 0 to 60; default 0.
    wait: Option<String>,
}

/// What came of a call.
#[derive(Serialize, ToSchema)]
#[schema(as = action_result)]
pub(crate) struct ActionResult {
    status: CallStatus,
    /// As the action's `output` describes it. Null while the call waits for approval, and if it was not
    /// made.
    #[schema(required = true, value_type = Option<Object>)]
    result: Option<Value>,
    /// Whether lists in the result were cut: those that have more elements than the action describes, and
    /// all while the result is larger than 32 KiB.
    is_cut: bool,
    /// What the call cost of the customer's credits.
    credits_spent: u32,
    /// Why a call that was approved failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
    /// The approval that the call waits for, or waited for. Ask again with the same input to learn what
    /// came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    approval: Option<ApprovalState>,
}

/// Where a held call stands; `/mgmt/v2/approvals` shows the whole to those who decide.
#[derive(Serialize, ToSchema)]
#[schema(as = approval_state)]
struct ApprovalState {
    id: String,
    /// `pending`, `approved` (it runs), `denied`, `expired`, `done` or `failed`.
    status: &'static str,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// The name of the key that decided; null before.
    #[schema(required = true)]
    decided_by: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = action_call_status)]
enum CallStatus {
    Done,
    /// It waits for approval.
    Pending,
    Denied,
    /// It was approved, and failed.
    Failed,
}

/// Calls an action. The body is its input, as the action's `input` describes it.
///
/// If the agent's grants say `ask`, the call is held: the answer is 202 with an approval. Once somebody has
/// approved it, it is made exactly as it was shown to them, and the same call again returns what came of
/// it. A call that the grants don't allow is 403 and reaches no provider.
#[utoipa::path(post, path = "/actions/{action_name}", tag = "Actions", operation_id = "callAction",
    params(CallAction,
        ("action_name" = String, Path, description = "The action's name, such as contacts.create"),
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    request_body = Object,
    responses((status = 200, description = "What came of the call", body = ActionResult),
        (status = 202, description = "The call waits for approval", body = ActionResult)))]
pub(crate) async fn call_action(
    caller: Caller,
    State(state): State<AppState>,
    Path(name): Path<String>,
    Query(query): Query<CallAction>,
    headers: HeaderMap,
    Json(input): Json<Map<String, Value>>,
) -> ApiResult<(StatusCode, JsonBody<ActionResult>)> {
    let input = Value::Object(input);
    let named = connection_names(&headers);
    let known: Option<ProviderName> = named.as_ref().ok().and_then(|it| it.1.parse().ok());
    let listed = known.and_then(|provider| catalogue::find(&state.providers, provider, &name));
    note(&caller, (&name, listed), &input);
    let (customer_id, provider) = named?;
    caller.call.set_customer(customer_id);
    let action = listed.map(Listed::action);
    let permission = check_action(&caller, action, (&name, customer_id))?;
    let connection = find_connection(&caller, customer_id, provider).await?;
    let listed = listed.ok_or_else(|| {
        ApiError::NotFound(format!(
            "{provider} has no action {}; GET /actions/v2/actions lists them",
            name_or_quoted(&name)
        ))
    })?;
    let wait = seconds(query.wait.as_deref())?;
    check_input(listed, &input)?;
    check_rules(&state, &caller, listed, &input)?;
    if permission == Permission::Ask {
        return ask(&state, &caller, &connection, (listed, &input), wait).await;
    }
    let who = OnBehalf {
        tenant: &caller.tenant,
        key: &caller.key,
        connection: &connection,
    };
    let made = make(&state, &who, listed, &input).await?;
    Ok((StatusCode::OK, JsonBody(made.into())))
}

/// Notes what is called, for the audit log, also if it is refused.
fn note(caller: &Caller, (name, listed): (&str, Option<Listed>), input: &Value) {
    let words = match listed {
        Some(listed) => listed.action().in_words(input),
        None => format!("call {}", name_or_quoted(name)),
    };
    if let Some(provider) = listed.and_then(Listed::provider) {
        caller.call.set_provider(provider);
    }
    caller.call.set_action(CalledAction {
        name: listed.map_or("unknown", |it| &it.action().name).to_owned(),
        words,
    });
}

fn check_input(listed: Listed, input: &Value) -> ApiResult<()> {
    if input.to_string().len() > LARGEST_INPUT {
        let reason = format!("must be at most {LARGEST_INPUT} bytes of JSON");
        return Err(ApiError::validation("body", reason));
    }
    let checked = listed.action().input.check(input);
    checked.map_err(|wrong| ApiError::validation(wrong.field, wrong.reason))
}

fn check_rules(state: &AppState, caller: &Caller, listed: Listed, input: &Value) -> ApiResult<()> {
    let Listed::Provider(provider, it) = listed else {
        return Ok(());
    };
    let (method, path) = it.request_line(input).map_err(in_input)?;
    let provider = state.providers.get(provider)?;
    let forwards = provider.capabilities().forwards()?;
    check_action_request(caller, forwards, (&method, &path))
}

/// Holds the call, or returns what came of the same call.
async fn ask(
    state: &AppState,
    caller: &Caller,
    connection: &Connection,
    (listed, input): (Listed, &Value),
    wait: Duration,
) -> ApiResult<(StatusCode, JsonBody<ActionResult>)> {
    let name = &listed.action().name;
    let asked = caller
        .tenant
        .ask_for_approval(&caller.key, connection, (name, input))
        .await?;
    let approval = match asked {
        Asked::New(approval) | Asked::Same(approval) => approval,
        Asked::TooMany => {
            let reason =
                "100 calls of this agent wait for approval: ask again when some were decided";
            return Err(ApiError::Conflict(reason.to_owned()));
        }
    };
    let approval = decided_within(caller, approval, wait).await?;
    if !wait.is_zero() {
        check_still_valid(state, caller).await?;
    }
    caller.call.set_approval(CallApproval {
        id: approval.id.clone(),
        status: approval.status.as_str(),
    });
    if matches!(
        approval.status,
        ApprovalStatus::Done | ApprovalStatus::Failed
    ) {
        caller.tenant.collect_approval(&approval.id).await?;
    }
    let status = match approval.status {
        ApprovalStatus::Pending | ApprovalStatus::Approved => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    Ok((status, JsonBody(ActionResult::of(approval))))
}

/// A key that was revoked while its call waited learns nothing any more.
async fn check_still_valid(state: &AppState, caller: &Caller) -> ApiResult<()> {
    let key = caller.tenant.get_api_key(&caller.key.id).await?;
    match key {
        Some(key) if key.is_valid(state.clock.now()) => Ok(()),
        _ => Err(ApiError::Unauthorized("Can't find application by api key")),
    }
}

/// The approval as it is once the call was made or denied, or after the wait.
async fn decided_within(
    caller: &Caller,
    approval: Approval,
    wait: Duration,
) -> ApiResult<Approval> {
    let until = Instant::now() + wait;
    let mut newest = approval;
    while is_open(&newest) && Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
        let found = caller.tenant.get_approval(&newest.id).await?;
        newest = found.ok_or_else(|| ApiError::NotFound("the approval was deleted".to_owned()))?;
    }
    Ok(newest)
}

fn is_open(approval: &Approval) -> bool {
    matches!(
        approval.status,
        ApprovalStatus::Pending | ApprovalStatus::Approved
    )
}

fn seconds(text: Option<&str>) -> ApiResult<Duration> {
    let seconds = text.map_or(Some(0), |text| text.parse().ok());
    let seconds = seconds.filter(|seconds| *seconds <= LONGEST_WAIT);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let reason = format!("must be a number of seconds from 0 to {LONGEST_WAIT}");
        ApiError::validation("wait", reason)
    })
}

impl From<Made> for ActionResult {
    fn from(made: Made) -> Self {
        Self {
            status: CallStatus::Done,
            result: Some(made.result),
            is_cut: made.is_cut,
            credits_spent: made.credits_spent,
            error: None,
            approval: None,
        }
    }
}

impl ActionResult {
    fn of(approval: Approval) -> Self {
        let made = approval.result.unwrap_or_default();
        Self {
            status: match approval.status {
                ApprovalStatus::Pending | ApprovalStatus::Approved => CallStatus::Pending,
                ApprovalStatus::Denied | ApprovalStatus::Expired => CallStatus::Denied,
                ApprovalStatus::Done => CallStatus::Done,
                ApprovalStatus::Failed => CallStatus::Failed,
            },
            result: made.get("result").cloned(),
            is_cut: made.get("is_cut") == Some(&Value::Bool(true)),
            credits_spent: made
                .get("credits_spent")
                .and_then(Value::as_u64)
                .and_then(|spent| spent.try_into().ok())
                .unwrap_or_default(),
            error: made
                .pointer("/error/title")
                .and_then(Value::as_str)
                .map(str::to_owned),
            approval: Some(ApprovalState {
                id: approval.id,
                status: approval.status.as_str(),
                expires_at: approval.expires_at,
                decided_by: approval.decided_by.map(|by| by.name),
            }),
        }
    }
}
