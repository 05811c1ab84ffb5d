//! Makes a job of a list.

use axum::{Json as JsonBody, extract::State};
use serde::Serialize;
use syncline_model::enrichment::{MOST_REUSE_DAYS, REUSE_DAYS};
use syncline_store::{NewEnrichmentItem, NewEnrichmentJob};
use utoipa::ToSchema;

use super::{
    body::JobBody,
    list::{JobOptions, JsonList, List, ListBody},
};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Query},
};

/// How many wrong entries the answer tells of. The results tell of all.
const MOST_TOLD: usize = 100;

/// A new job, and what is wrong with its list.
#[derive(Serialize, ToSchema)]
#[schema(as = created_enrichment_job)]
pub(crate) struct CreatedJob {
    #[serde(flatten)]
    job: JobBody,
    /// Entries that can't match and are not asked about: the first 100.
    wrong: Vec<WrongEntry>,
}

/// An entry that can't match.
#[derive(Serialize, ToSchema)]
#[schema(as = wrong_enrichment_entry)]
pub(crate) struct WrongEntry {
    /// Its place in the list, from 1.
    position: usize,
    /// The line of a CSV file that it begins at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    line: Option<i64>,
    /// The field, and what would be right.
    error: String,
}

/// Begins to ask the provider about a list of people or companies, in batches.
///
/// The list is JSON, or CSV (`text/csv`) whose first line names its columns; the options of a CSV list
/// are in the query. An entry that can't match is not asked about, and its result says what is wrong with
/// it. An entry is never paid for twice: not in one list, and not within `reuse_days` of when the same was
/// asked for this application.
#[utoipa::path(post, path = "/jobs", tag = "Jobs", operation_id = "createEnrichmentJob",
    request_body(content(
        (JsonList = "application/json"),
        (String = "text/csv", example = "email,ref\\nines@heron.example,1"))),
    params(JobOptions,
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "The job", body = CreatedJob)))]
pub(crate) async fn create_enrichment_job(
    caller: ConnectionCaller,
    State(state): State<AppState>,
    Query(query): Query<JobOptions>,
    body: ListBody,
) -> ApiResult<JsonBody<CreatedJob>> {
    let list = body.read(query)?;
    let wrong = wrong_entries(&list.items);
    check(&state, &caller, &list)?;
    let new = NewEnrichmentJob {
        kind: list.kind,
        options: list.options.of_matching(),
        reuse_days: list.options.reuse_days.unwrap_or(REUSE_DAYS),
        retry_uncertain: list.options.retry_uncertain.unwrap_or(false),
        max_credits: list.options.max_credits.map(i64::from),
        columns: list.columns,
        fingerprint: None,
        foreground: false,
        items: list.items,
    };
    let tenant = &caller.caller.tenant;
    let job = tenant
        .create_enrichment_job(&caller.connection, &new)
        .await?;
    caller
        .caller
        .call
        .set_object(format!("{} {}", job.counts.total, job.kind.as_str()));
    Ok(JsonBody(CreatedJob {
        job: job.into(),
        wrong,
    }))
}

fn check(state: &AppState, caller: &ConnectionCaller, list: &List) -> ApiResult<()> {
    let provider = state.providers.get(caller.connection.provider)?;
    provider.capabilities().batch_enrichments()?;
    if let Some(days) = list
        .options
        .reuse_days
        .filter(|days| *days > MOST_REUSE_DAYS)
    {
        let reason = format!("must be at most {MOST_REUSE_DAYS}, not {days}");
        return Err(ApiError::validation("reuse_days", reason));
    }
    if list.items.iter().all(|item| item.lead.is_err()) {
        let first = wrong_entries(&list.items).into_iter().next();
        let first = first.map(|it| it.error).unwrap_or_default();
        let reason = format!("no entry can match; the first one: {first}");
        return Err(ApiError::validation(list.kind.as_str(), reason));
    }
    let options = list.options.of_matching();
    if options.has_late_answers() && !state.public_url.starts_with("https://") {
        let field = if options.reveal_phone_number {
            "reveal_phone_number"
        } else if options.run_waterfall_email {
            "run_waterfall_email"
        } else {
            "run_waterfall_phone"
        };
        return Err(ApiError::validation(
            field,
            "needs SYNCLINE_PUBLIC_URL to be an https:// address: the provider sends this part of its \
             answers there later",
        ));
    }
    Ok(())
}

fn wrong_entries(items: &[NewEnrichmentItem]) -> Vec<WrongEntry> {
    let items = items.iter().zip(1..);
    let wrong = items.filter_map(|(item, position)| {
        let (_, error) = item.lead.as_ref().err()?;
        Some(WrongEntry {
            position,
            line: item.line,
            error: error.to_string(),
        })
    });
    wrong.take(MOST_TOLD).collect()
}
