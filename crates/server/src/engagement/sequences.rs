//! Sequences: lists, gets with their steps, and creation.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::Serialize;
use syncline_model::{Sequence, draft::SequenceDraft, live::SequenceStep};
use utoipa::ToSchema;

use super::{
    cached,
    records::{self, GetRecord, ListAnswer, ListRecords, RecordBody, RecordList},
    sequence_steps::check_step,
    writes::{Created, Given, filled},
};
use crate::{
    AppState,
    error::ApiResult,
    extract::{ConnectionCaller, Json, Path, Query},
    remote::Remote,
};

/// A sequence, with its steps if it was read from the provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct SequenceDetail {
    #[serde(flatten)]
    sequence: Sequence,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    steps: Option<Vec<SequenceStep>>,
}

/// The connection's sequences.
#[utoipa::path(get, path = "/sequences", tag = "Sequences", operation_id = "listSequences",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Sequences", body = RecordList<Sequence>)))]
pub(crate) async fn list_sequences(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<ListAnswer> {
    records::list::<Sequence>(&state, &connection, asked).await
}

/// One sequence. Read from the provider, it includes its steps; the tables don't have them.
#[utoipa::path(get, path = "/sequences/{sequence_id}", tag = "Sequences",
    operation_id = "getSequence",
    params(GetRecord, ("sequence_id" = String, Path, description = "The sequence's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The sequence", body = RecordBody<SequenceDetail>)))]
pub(crate) async fn get_sequence(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<SequenceDetail>>> {
    let (body, steps) = if asked.read_from_cache {
        (cached::get(&state, &connection, &id, &asked).await?, None)
    } else {
        let remote = Remote::of(&state, &connection).await?;
        let found = remote
            .capabilities()
            .live_reads()?
            .get_sequence(&remote.session(), &id)
            .await?;
        let now = state.clock.now();
        let body = RecordBody::live(found.sequence, now, asked.include_raw_data);
        (body, Some(found.steps))
    };
    Ok(JsonBody(
        body.map(|sequence| SequenceDetail { sequence, steps }),
    ))
}

/// Creates a sequence with its steps, in their order. A step that the provider refuses once the
/// sequence is there is listed in `warnings`.
#[utoipa::path(post, path = "/sequences", tag = "Sequences", operation_id = "createSequence",
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    request_body = Given<SequenceDraft>,
    responses((status = 201, description = "The sequence's id", body = Created)))]
pub(crate) async fn create_sequence(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Json(body): Json<Given<SequenceDraft>>,
) -> ApiResult<(StatusCode, JsonBody<Created>)> {
    let mut draft = body.record;
    filled("record.name", &draft.name)?;
    for (index, step) in draft.steps.iter_mut().enumerate() {
        check_step(&format!("record.steps[{index}]"), step)?;
    }
    let remote = Remote::of(&state, &connection).await?;
    let wrote = remote
        .capabilities()
        .sequence_writes()?
        .create_sequence(&remote.session(), &draft)
        .await?;
    let created = Created::of(&state, &remote, wrote).await;
    Ok((StatusCode::CREATED, JsonBody(created)))
}
