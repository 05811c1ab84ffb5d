//! Adding contacts to sequences and removing them.
//!
//! A contact that is in the sequence already counts as entered. A contact that the provider skips
//! is returned with the reason; if the provider skips all of them, the call fails.

use std::collections::HashMap;

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use syncline_model::draft::{EnrolmentDraft, LeaveMode};
use syncline_providers::{
    capabilities::{Enrolled, Enrolment},
    outcome::Outcome,
};
use utoipa::ToSchema;

use super::writes::{Created, CreatedRecord, Given, Warning, filled, partial, show};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Json},
    provider_errors::ProviderFailure,
    remote::Remote,
};

/// The most contacts of one call.
const MOST_AT_ONCE: usize = 1000;

/// Contacts to add to sequences.
#[derive(Deserialize, ToSchema)]
#[schema(as = create_sequence_states)]
pub(crate) struct GivenMany {
    /// At most 1000.
    #[schema(max_items = 1000)]
    records: Vec<EnrolmentDraft>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = created_sequence_states)]
pub(crate) struct CreatedMany {
    /// In the order of the request.
    records: Vec<EnteredContact>,
    /// Contacts that the provider skipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    skipped: Vec<SkippedContact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = entered_contact)]
struct EnteredContact {
    /// The sequence state's id.
    id: String,
    contact_id: String,
    sequence_id: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = skipped_contact)]
struct SkippedContact {
    contact_id: String,
    sequence_id: String,
    /// The provider's own code.
    code: String,
    reason: String,
}

/// Adds a contact to a sequence.
#[utoipa::path(post, path = "/sequence_states", tag = "SequenceStates",
    operation_id = "createSequenceState", request_body = Given<EnrolmentDraft>,
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 201, description = "The sequence state's id", body = Created)))]
pub(crate) async fn create_sequence_state(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Json(body): Json<Given<EnrolmentDraft>>,
) -> ApiResult<(StatusCode, JsonBody<Created>)> {
    let remote = Remote::of(&state, &connection).await?;
    check(&remote, "record", &body.record)?;
    let mut entered = enter(&state, &remote, &[body.record]).await?;
    let record = entered.records.pop().map(|it| CreatedRecord { id: it.id });
    let record = record.ok_or_else(|| left_out(&entered.skipped))?;
    let created = Created::with(record, entered.warnings);
    Ok((StatusCode::CREATED, JsonBody(created)))
}

/// Adds contacts to sequences. Those that the provider skips are in `skipped`, each with the
/// reason; if it skips all of them, the answer is 422.
#[utoipa::path(post, path = "/sequence_states/_batch", tag = "SequenceStates",
    operation_id = "batchCreateSequenceState", request_body = GivenMany,
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 201, description = "The sequence states' ids", body = CreatedMany)))]
pub(crate) async fn create_sequence_states(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Json(body): Json<GivenMany>,
) -> ApiResult<(StatusCode, JsonBody<CreatedMany>)> {
    if body.records.len() > MOST_AT_ONCE {
        return Err(too_many("records"));
    }
    let remote = Remote::of(&state, &connection).await?;
    for (index, draft) in body.records.iter().enumerate() {
        check(&remote, &format!("records[{index}]"), draft)?;
    }
    let entered = enter(&state, &remote, &body.records).await?;
    if entered.records.is_empty() && !entered.skipped.is_empty() {
        return Err(left_out(&entered.skipped));
    }
    Ok((StatusCode::CREATED, JsonBody(entered)))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = leave_sequence)]
pub(crate) struct LeaveSequence {
    sequence_id: String,
    /// At most 1000.
    #[schema(min_items = 1, max_items = 1000)]
    contact_ids: Vec<String>,
    mode: LeaveMode,
}

#[derive(Serialize, ToSchema)]
#[schema(as = left_contact)]
struct LeftContact {
    /// The sequence state that was stopped, finished or removed; null if the state of a removed
    /// contact is not known.
    #[schema(required = true)]
    id: Option<String>,
    contact_id: String,
    sequence_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = left_sequence)]
pub(crate) struct Left {
    /// In the order of the request.
    records: Vec<LeftContact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    skipped: Vec<SkippedContact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

/// Stops contacts in a sequence, marks them as finished, or removes them.
#[utoipa::path(post, path = "/sequence_states/_leave", tag = "SequenceStates",
    operation_id = "leaveSequence", request_body = LeaveSequence,
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The result for each contact", body = Left)))]
pub(crate) async fn leave_sequence(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Json(body): Json<LeaveSequence>,
) -> ApiResult<JsonBody<Left>> {
    filled("sequence_id", &body.sequence_id)?;
    if body.contact_ids.is_empty() {
        return Err(ApiError::validation(
            "contact_ids",
            "must name at least one contact",
        ));
    }
    if body.contact_ids.len() > MOST_AT_ONCE {
        return Err(too_many("contact_ids"));
    }
    for (index, id) in body.contact_ids.iter().enumerate() {
        filled(&format!("contact_ids[{index}]"), id)?;
    }
    let remote = Remote::of(&state, &connection).await?;
    let enrolments = remote.capabilities().enrolments()?;
    check_mode(enrolments.leave_modes(), body.mode)?;
    let mut left = enrolments
        .leave(
            &remote.session(),
            &body.sequence_id,
            &body.contact_ids,
            body.mode,
        )
        .await?;
    // Once a contact is removed, only the tables know its state.
    let known = known_states(&state, &remote, &body.sequence_id, &left.outcomes).await;
    if body.mode == LeaveMode::Remove {
        left.removed.extend(known.values().cloned());
    }
    let mut warnings = partial(left.warnings);
    warnings.extend(show(&state, &remote, &left.records, &left.removed).await);
    let (mut records, mut skipped) = (Vec::new(), Vec::new());
    for (contact_id, outcome) in left.outcomes {
        let sequence_id = body.sequence_id.clone();
        let id = match outcome {
            Outcome::State { id } => Some(id),
            Outcome::Out { id } => id.or_else(|| known.get(&contact_id).cloned()),
            Outcome::AlreadyMember => known.get(&contact_id).cloned(),
            Outcome::Skipped { code, reason } => {
                skipped.push(SkippedContact {
                    contact_id,
                    sequence_id,
                    code,
                    reason,
                });
                continue;
            }
        };
        records.push(LeftContact {
            id,
            contact_id,
            sequence_id,
        });
    }
    if records.is_empty() {
        return Err(left_out(&skipped));
    }
    Ok(JsonBody(Left {
        records,
        skipped,
        warnings,
    }))
}

/// The stored states, by contact, where the provider didn't return the state. Only the answer
/// depends on them, so a failure is only logged.
async fn known_states(
    state: &AppState,
    remote: &Remote,
    sequence_id: &str,
    outcomes: &[(String, Outcome)],
) -> HashMap<String, String> {
    let untold = outcomes
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::AlreadyMember | Outcome::Out { .. }));
    let contact_ids: Vec<String> = untold.map(|(id, _)| id.clone()).collect();
    if contact_ids.is_empty() {
        return HashMap::new();
    }
    let connection = remote.connection();
    let states = state
        .store
        .states_in(connection, sequence_id, &contact_ids)
        .await;
    match states {
        Ok(states) => states.into_iter().collect(),
        Err(error) => {
            tracing::error!("could not look up the sequence states of contacts: {error}");
            HashMap::new()
        }
    }
}

/// One call for each sequence, mailbox and user, because the provider takes only one of each per
/// call.
async fn enter(
    state: &AppState,
    remote: &Remote,
    drafts: &[EnrolmentDraft],
) -> ApiResult<CreatedMany> {
    let mut entered = CreatedMany {
        records: Vec::new(),
        skipped: Vec::new(),
        warnings: Vec::new(),
    };
    for group in groups(drafts) {
        let first = group[0];
        let contact_ids: Vec<String> = group.iter().map(|it| it.contact_id.clone()).collect();
        let enrolment = Enrolment {
            sequence_id: &first.sequence_id,
            mailbox_id: mailbox_of(first),
            user_id: first.user_id.as_deref(),
            contact_ids: &contact_ids,
        };
        let enrolled = remote
            .capabilities()
            .enrolments()?
            .enrol(&remote.session(), &enrolment)
            .await;
        match enrolled {
            Ok(mut enrolled) => {
                let left_undone = std::mem::take(&mut enrolled.warnings);
                entered.warnings.extend(partial(left_undone));
                let warning = show(state, remote, &enrolled.records, &[]).await;
                entered.warnings.extend(warning);
                let sequence_id = &first.sequence_id;
                let known = known_states(state, remote, sequence_id, &enrolled.outcomes).await;
                let (records, skipped) = told(sequence_id, enrolled, &known);
                entered.records.extend(records);
                entered.skipped.extend(skipped);
            }
            // The calls before succeeded and must be reported.
            Err(error) if !entered.records.is_empty() => {
                let skip = |contact_id: &String| SkippedContact {
                    contact_id: contact_id.clone(),
                    sequence_id: first.sequence_id.clone(),
                    code: "unknown".to_owned(),
                    reason: error.message.clone(),
                };
                entered.skipped.extend(contact_ids.iter().map(skip));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let index = |it: &EnteredContact| {
        drafts.iter().position(|draft| {
            draft.contact_id == it.contact_id && draft.sequence_id == it.sequence_id
        })
    };
    entered.records.sort_by_key(index);
    Ok(entered)
}

/// Drafts that go into one call, in the order of their first ones; each contact once.
fn groups(drafts: &[EnrolmentDraft]) -> Vec<Vec<&EnrolmentDraft>> {
    let mut groups: Vec<Vec<&EnrolmentDraft>> = Vec::new();
    for draft in drafts {
        let fits = |group: &&mut Vec<&EnrolmentDraft>| {
            group[0].sequence_id == draft.sequence_id
                && group[0].mailbox_id == draft.mailbox_id
                && group[0].user_id == draft.user_id
        };
        match groups.iter_mut().find(fits) {
            Some(group) if group.iter().any(|it| it.contact_id == draft.contact_id) => {}
            Some(group) => group.push(draft),
            None => groups.push(vec![draft]),
        }
    }
    groups
}

fn told(
    sequence_id: &str,
    enrolled: Enrolled,
    known: &HashMap<String, String>,
) -> (Vec<EnteredContact>, Vec<SkippedContact>) {
    let (mut entered, mut skipped) = (Vec::new(), Vec::new());
    for (contact_id, outcome) in enrolled.outcomes {
        let sequence_id = sequence_id.to_owned();
        let id = match &outcome {
            Outcome::State { id } => Some(id),
            Outcome::AlreadyMember | Outcome::Out { .. } => known.get(&contact_id),
            Outcome::Skipped { .. } => None,
        };
        if let Some(id) = id.cloned() {
            entered.push(EnteredContact {
                id,
                contact_id,
                sequence_id,
            });
            continue;
        }
        let (code, reason) = match outcome {
            Outcome::Skipped { code, reason } => (code, reason),
            _ => (
                "already_in_sequence".to_owned(),
                "it is already in the sequence, but its sequence state could not be read"
                    .to_owned(),
            ),
        };
        skipped.push(SkippedContact {
            contact_id,
            sequence_id,
            code,
            reason,
        });
    }
    (entered, skipped)
}

/// No contact was moved: the first one's reason is the title, and the cause lists them all.
fn left_out(skipped: &[SkippedContact]) -> ApiError {
    let Some(first) = skipped.first() else {
        return ApiError::BadRequest("no contact was named".to_owned());
    };
    let SkippedContact {
        contact_id,
        sequence_id,
        code,
        reason,
    } = first;
    let title = format!("contact {contact_id} and sequence {sequence_id}: {reason}");
    let all_unknown = skipped.iter().all(|it| it.code == "contact_not_found");
    if all_unknown && code == "contact_not_found" {
        return ApiError::Provider(ProviderFailure::not_found(title));
    }
    let cause = json!({ "skipped": skipped });
    ApiError::Provider(ProviderFailure::refusal(title, cause))
}

/// Whether an enrolment names all that it needs; the provider says whether a mailbox is required.
fn check(remote: &Remote, field: &str, draft: &EnrolmentDraft) -> ApiResult<()> {
    filled(&format!("{field}.contact_id"), &draft.contact_id)?;
    filled(&format!("{field}.sequence_id"), &draft.sequence_id)?;
    match remote.capabilities().enrolments()?.mailbox_required() {
        Some(reason) if mailbox_of(draft).is_none() => {
            Err(ApiError::validation(format!("{field}.mailbox_id"), reason))
        }
        _ => Ok(()),
    }
}

fn check_mode(possible: &[LeaveMode], mode: LeaveMode) -> ApiResult<()> {
    if possible.contains(&mode) {
        return Ok(());
    }
    let words: Vec<&str> = possible.iter().map(|mode| mode.as_str()).collect();
    let reason = format!(
        "must be {}: the provider has no other way out of a sequence",
        words.join(" or ")
    );
    Err(ApiError::validation("mode", reason))
}

/// The mailbox, if one is named.
fn mailbox_of(draft: &EnrolmentDraft) -> Option<&str> {
    let id = draft.mailbox_id.as_deref();
    id.filter(|id| !id.trim().is_empty())
}

fn too_many(field: &str) -> ApiError {
    ApiError::validation(field, format!("must not be more than {MOST_AT_ONCE}"))
}
