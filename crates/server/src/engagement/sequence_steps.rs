//! The steps of a sequence. They are not stored in tables; a sequence that is read from the
//! provider includes them.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use syncline_model::{
    Object,
    draft::{StepDraft, StepKind, StepUpdate},
};

use super::writes::{Created, Given, Updated, time};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Json, Path},
    remote::Remote,
};

/// Adds a step to a sequence: at its `order`, or after the last one.
#[utoipa::path(post, path = "/sequences/{sequence_id}/sequence_steps", tag = "SequenceSteps",
    operation_id = "createSequenceStep", request_body = Given<StepDraft>,
    params(("sequence_id" = String, Path, description = "The sequence's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 201, description = "The step's id", body = Created)))]
pub(crate) async fn create_sequence_step(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(sequence_id): Path<String>,
    Json(mut body): Json<Given<StepDraft>>,
) -> ApiResult<(StatusCode, JsonBody<Created>)> {
    check_step("record", &mut body.record)?;
    let remote = Remote::of(&state, &connection).await?;
    let (can, session) = (remote.capabilities(), remote.session());
    let (writes, reads) = (can.sequence_writes()?, can.live_reads()?);
    let mut wrote = writes
        .create_step(&session, &sequence_id, &body.record)
        .await?;
    // The step is in no table, but its sequence changed: it has one more.
    match reads
        .get_live(&session, Object::Sequence, &sequence_id)
        .await
    {
        Ok(records) => wrote.records = Some(records),
        Err(error) => wrote
            .warnings
            .push(format!("the sequence could not be read again: {error}")),
    }
    let created = Created::of(&state, &remote, wrote).await;
    Ok((StatusCode::CREATED, JsonBody(created)))
}

/// Changes what an e-mail step sends.
#[utoipa::path(patch, path = "/sequences/{sequence_id}/sequence_steps/{sequence_step_id}",
    tag = "SequenceSteps", operation_id = "updateSequenceStep", request_body = Given<StepUpdate>,
    params(("sequence_id" = String, Path, description = "The sequence's id"),
        ("sequence_step_id" = String, Path, description = "The step's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The step was changed", body = Updated)))]
pub(crate) async fn update_sequence_step(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path((sequence_id, step_id)): Path<(String, String)>,
    Json(body): Json<Given<StepUpdate>>,
) -> ApiResult<JsonBody<Updated>> {
    let template = body.record.template.unwrap_or_default();
    if template.subject.is_none() && template.body.is_none() {
        return Err(ApiError::validation(
            "record.template",
            "subject or body must be given",
        ));
    }
    let remote = Remote::of(&state, &connection).await?;
    remote
        .capabilities()
        .sequence_writes()?
        .update_step(&remote.session(), &sequence_id, &step_id, &template)
        .await?;
    Ok(JsonBody(Updated {
        warnings: Vec::new(),
    }))
}

/// An e-mail step needs content to send, and a date must be valid.
pub(super) fn check_step(field: &str, step: &mut StepDraft) -> ApiResult<()> {
    if let Some(date) = &step.date {
        step.date = Some(time(&format!("{field}.date"), date)?);
    }
    if step.order == Some(0) {
        return Err(ApiError::validation(
            format!("{field}.order"),
            "must be 1 or more",
        ));
    }
    if !matches!(step.kind, StepKind::AutoEmail | StepKind::ManualEmail) {
        return Ok(());
    }
    let is_filled = step.template.as_ref().is_some_and(|template| {
        template.id.is_some() || (template.subject.is_some() && template.body.is_some())
    });
    if is_filled {
        return Ok(());
    }
    Err(ApiError::validation(
        format!("{field}.template"),
        "an e-mail step needs the id of a template, or a subject and a body",
    ))
}
