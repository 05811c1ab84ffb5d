//! What is known of a job's items.

use axum::{
    Json as JsonBody,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use syncline_model::{
    Time,
    enrichment::{Enriched, EnrichedPerson, Lead},
    live::Company,
};
use syncline_store::{EnrichmentItem, EnrichmentJob, Store};
use utoipa::{IntoParams, ToSchema};

use super::{csv_results::CsvResults, find_job};
use crate::{
    AppState,
    cursor::{self, MAX_PAGE_SIZE, Position, encode, foreign, position},
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Path, Query},
};

const DEFAULT_PAGE_SIZE: i64 = 100;
/// How many items of a CSV answer are in memory at once.
const CSV_BATCH: i64 = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListResults {
    /// `json`, or `csv` for the whole list as a file.
    format: Option<String>,
    /// `next` of another page.
    cursor: Option<String>,
    /// At most 1000; 100 if it is left out.
    #[param(value_type = Option<u32>)]
    page_size: Option<String>,
    /// Also show the provider's own JSON.
    include_raw_data: Option<bool>,
}

/// A page of results, in the order of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = enrichment_results)]
pub(crate) struct Results {
    #[schema(required = true)]
    next: Option<String>,
    results: Vec<ResultBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = enrichment_result)]
pub(crate) struct ResultBody {
    /// Its place in the list, from 1.
    position: i64,
    /// The line of a CSV file that it begins at.
    #[schema(required = true)]
    line: Option<i64>,
    /// Yours.
    #[serde(rename = "ref")]
    #[schema(required = true)]
    reference: Option<String>,
    /// `pending`, `asked`, `matched`, `not_matched`, `failed` or `uncertain`.
    status: &'static str,
    /// What was asked.
    input: Lead,
    /// The position of the entry with the same question that was asked about for both.
    #[schema(required = true)]
    same_as: Option<i64>,
    /// It was paid for before, and cost nothing this time.
    reused: bool,
    /// What is wrong with it, or why its answer is uncertain.
    #[schema(required = true)]
    error: Option<String>,
    #[schema(required = true)]
    person: Option<EnrichedPerson>,
    #[schema(required = true)]
    company: Option<Company>,
    /// The provider's own JSON, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    raw_data: Option<Box<RawValue>>,
    /// When the provider was asked.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    asked_at: Option<Time>,
    /// Whether phone numbers, or the results of a waterfall, are still to come.
    awaited: bool,
    /// When they came.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    late_at: Option<Time>,
}

impl From<EnrichmentItem> for ResultBody {
    fn from(item: EnrichmentItem) -> Self {
        let (person, company) = match item.enriched {
            Some(Enriched::Person(person)) => (Some(*person), None),
            Some(Enriched::Company(company)) => (None, Some(company)),
            None => (None, None),
        };
        Self {
            position: item.position,
            line: item.line,
            reference: item.reference,
            status: item.status.as_str(),
            input: item.lead,
            same_as: item.same_as,
            reused: item.reused,
            error: item.error,
            person,
            company,
            raw_data: item.raw_data,
            asked_at: item.asked_at,
            awaited: item.awaited,
            late_at: item.late_at,
        }
    }
}

/// What is known of a job's entries, in their order; also while it runs.
///
/// With `format=csv` all of them as a file: the columns of the input, and what is known beside them.
#[utoipa::path(get, path = "/jobs/{job_id}/results", tag = "Jobs",
    operation_id = "getEnrichmentResults",
    params(ListResults, ("job_id" = String, Path, description = "The job's id"),
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "Results",
        content((Results = "application/json"), (String = "text/csv")))))]
pub(crate) async fn get_enrichment_results(
    caller: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<ListResults>,
) -> ApiResult<Response> {
    let job = find_job(&caller, &id).await?;
    match query.format.as_deref() {
        None | Some("json") => {}
        Some("csv") => return Ok(csv(state.store.clone(), job)),
        Some(_) => return Err(ApiError::validation("format", "must be json or csv")),
    }
    let list = format!("enrichment_results/{}", job.id);
    let asked = query.page_size.as_deref();
    let size = cursor::page_size(asked, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), &list)?;
    let after = match position {
        Some(position) => position.id.parse().map_err(|_| foreign())?,
        None => 0,
    };
    let with_raw_data = query.include_raw_data.unwrap_or(false);
    let items = state
        .store
        .enrichment_items(&job, after, size, with_raw_data);
    let items = items.await?;
    let next = items.next_after_position().map(|id| {
        encode(&Position {
            list,
            id: id.to_string(),
            reverse: false,
        })
    });
    let results = items.rows.into_iter().map(ResultBody::from).collect();
    Ok(JsonBody(Results { next, results }).into_response())
}

/// Reads while it is sent, a few hundred items at a time.
fn csv(store: Store, job: EnrichmentJob) -> Response {
    let name = format!("attachment; filename=\"enrichment-{}.csv\"", job.id);
    let first = CsvResults::of(&job);
    let pages = stream::try_unfold(
        (store, job, first, Some(0)),
        |(store, job, mut file, after)| async move {
            let Some(after) = after else {
                return Ok(None);
            };
            let items = store
                .enrichment_items(&job, after, CSV_BATCH, false)
                .await?;
            let next = items.next_after_position();
            for item in &items.rows {
                file.write(item);
            }
            let bytes = Bytes::from(file.take());
            Ok::<_, syncline_store::StoreError>(Some((bytes, (store, job, file, next))))
        },
    );
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    (headers, Body::from_stream(pages)).into_response()
}
