//! Makes calls that were approved: once, exactly as they were shown, and for as long as the agent may
//! still make them.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use syncline_model::{ApiKey, AuditResult, Permission};
use syncline_store::{Actor, Approval, AuditEntry, Tenant};
use tokio::task::JoinHandle;

use super::{
    catalogue::{self, Listed},
    make::{Made, OnBehalf, make},
};
use crate::{
    AppState,
    audit::words::{one_line, who},
    error::{ApiError, ApiResult},
};

/// How often to look for calls that no process has begun, and for those whose process died.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks for approved calls, for ever.
pub async fn run_approved_calls(state: AppState) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(error) = look(&state).await {
            tracing::warn!("could not look for approved calls: {}", error.title());
        }
    }
}

async fn look(state: &AppState) -> ApiResult<()> {
    state.store.expire_approvals().await?;
    let lost = "the process that made the call died: it is not known whether it was carried out";
    let failed = json!({"error": {"title": lost}});
    for (tenant, approval) in state.store.fail_abandoned_calls(&failed).await? {
        let lost = ApiError::Unavailable(lost.to_owned());
        write_down(state, &tenant, &approval, Some(&lost)).await?;
    }
    for (tenant, approval) in state.store.approved_and_not_begun().await? {
        // One that takes long must not keep the others waiting.
        drop(spawn(state, tenant, approval));
    }
    Ok(())
}

/// Makes an approved call in a task of its own, which goes on if whoever waits for it goes away.
pub(crate) fn spawn(state: &AppState, tenant: Tenant, approval: Approval) -> JoinHandle<()> {
    let task = state.clone();
    state.tasks.spawn(async move {
        if let Err(error) = run(&task, &tenant, &approval).await {
            let (id, why) = (&approval.id, error.title());
            tracing::warn!("the approved call {id} could not be made: {why}");
        }
    })
}

/// Makes an approved call, unless another process does.
async fn run(state: &AppState, tenant: &Tenant, approval: &Approval) -> ApiResult<()> {
    if !state.store.begin_approved(&approval.id).await? {
        return Ok(());
    }
    let made = make_for(state, tenant, approval).await;
    let (result, failure) = match made {
        Ok(made) => (stored(made), None),
        Err(error) => (json!({"error": {"title": error.title()}}), Some(error)),
    };
    let done = failure.is_none();
    state
        .store
        .end_approved(&approval.id, done, &result)
        .await?;
    write_down(state, tenant, approval, failure.as_ref()).await
}

fn stored(made: Made) -> Value {
    let Made {
        result,
        is_cut,
        credits_spent,
    } = made;
    json!({"result": result, "is_cut": is_cut, "credits_spent": credits_spent})
}

async fn make_for(state: &AppState, tenant: &Tenant, approval: &Approval) -> ApiResult<Made> {
    let Approval {
        action,
        customer_id,
        provider,
        input,
        ..
    } = approval;
    if input.is_null() {
        let unread = "what was asked for can't be read any more".to_owned();
        return Err(ApiError::Unavailable(unread));
    }
    let agent = tenant.get_api_key(&approval.requested_by.id).await?;
    let agent = agent.filter(|key| key.is_valid(state.clock.now()));
    let agent = agent.ok_or_else(|| {
        ApiError::Forbidden("the agent's key was revoked or has expired".to_owned())
    })?;
    let listed = catalogue::find(&state.providers, *provider, action);
    let grants = agent.grants.as_ref();
    let may = |listed: &Listed| {
        grants.is_some_and(|grants| {
            grants.may_act_for(customer_id) && grants.permission(listed.action()) != Permission::Off
        })
    };
    let listed = listed.filter(may).ok_or_else(|| {
        ApiError::Forbidden("the agent's grants don't allow it any more".to_owned())
    })?;
    let connection = tenant.get_connection(customer_id, *provider).await?;
    let connection = connection.filter(|it| it.id == approval.connection_id);
    let connection = connection
        .ok_or_else(|| ApiError::NotFound("the connection was deleted meanwhile".to_owned()))?;
    let who = OnBehalf {
        tenant,
        key: &agent,
        connection: &connection,
    };
    make(state, &who, listed, input).await
}

/// Writes into the audit log what became of the call.
async fn write_down(
    state: &AppState,
    tenant: &Tenant,
    approval: &Approval,
    failure: Option<&ApiError>,
) -> ApiResult<()> {
    let agent = tenant.get_api_key(&approval.requested_by.id).await?;
    if let Some(agent) = agent {
        let entry = entry(state, approval, &agent, failure);
        state.recorder.write_now(entry).await;
    }
    Ok(())
}

/// What the audit log says about it.
fn entry(
    state: &AppState,
    approval: &Approval,
    agent: &ApiKey,
    failure: Option<&ApiError>,
) -> AuditEntry {
    let words = words_of(state, approval);
    let by = approval
        .decided_by
        .as_ref()
        .map_or("", |by| by.name.as_str());
    let by = one_line(by);
    let (who, customer) = (who(agent), one_line(&approval.customer_id));
    let what = format!(
        "{who} was approved by \"{by}\" to {words} at {} for customer \"{customer}\"",
        approval.provider
    );
    let status = failure.map_or(StatusCode::OK, ApiError::status);
    let number = status.as_u16();
    let message = match failure {
        None => format!("{what} ({number})"),
        Some(failure) => format!(
            "{what}, which failed ({number}): {}",
            one_line(&failure.title())
        ),
    };
    AuditEntry {
        application_id: approval.application_id.clone(),
        at: state.clock.now(),
        actor: Actor::from(agent),
        action: approval.action.clone(),
        message,
        method: None,
        route: None,
        customer_id: Some(approval.customer_id.clone()),
        connection_id: Some(approval.connection_id.clone()),
        provider_name: Some(approval.provider.as_str().to_owned()),
        provider_request: None,
        result: match failure {
            None => AuditResult::Ok,
            Some(_) => AuditResult::Failed,
        },
        status: Some(number),
        request_id: None,
    }
}

/// What the call does, in a sentence with its values.
pub(crate) fn words_of(state: &AppState, approval: &Approval) -> String {
    match catalogue::find(&state.providers, approval.provider, &approval.action) {
        Some(listed) => listed.action().in_words(&approval.input),
        None => format!("call {}", approval.action),
    }
}
