//! Enrichment jobs: lists of people or companies, as JSON or CSV.
//!
//! `create` takes a list, `list` reads one (`csv_input` its CSV form), `results` shows what is known of
//! its items (`csv_results` beside the input's columns).

mod body;
pub(crate) mod create;
mod csv_input;
mod csv_results;
mod list;
pub(crate) mod results;
mod whole_number;

use axum::Json as JsonBody;
use serde::{Deserialize, Deserializer};
use syncline_store::{ContinueJob, Continued, EnrichmentJob, NewCeiling};
use utoipa::{IntoParams, ToSchema};

pub use self::{
    csv_input::{CsvList, read_csv},
    csv_results::CsvResults,
};
use crate::{
    cursor::{self, MAX_PAGE_SIZE, ResultList, cut, links, page_request, position},
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Json, Path, Query},
};
use body::JobBody;

/// The list that this module's cursors belong to.
const LIST: &str = "enrichment_jobs";
const DEFAULT_PAGE_SIZE: i64 = 100;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListJobs {
    /// `next` or `previous` of another page.
    cursor: Option<String>,
    /// At most 1000; 100 if it is left out.
    #[param(value_type = Option<u32>)]
    page_size: Option<String>,
}

/// The connection's enrichment jobs, newest first.
#[utoipa::path(get, path = "/jobs", tag = "Jobs", operation_id = "getEnrichmentJobs",
    params(ListJobs,
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "Jobs", body = ResultList<JobBody>)))]
pub(crate) async fn list_enrichment_jobs(
    caller: ConnectionCaller,
    Query(query): Query<ListJobs>,
) -> ApiResult<JsonBody<ResultList<JobBody>>> {
    let asked = query.page_size.as_deref();
    let size = cursor::page_size(asked, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), LIST)?;
    let page = page_request(position.as_ref(), size);
    let (tenant, connection_id) = (&caller.caller.tenant, &caller.connection.id);
    let rows = tenant.list_enrichment_jobs(connection_id, &page).await?;
    let page = cut(rows, size, position.as_ref());
    let total = page
        .total(tenant.count_enrichment_jobs(connection_id))
        .await?;
    let (next, previous) = links(&page, LIST, |job: &EnrichmentJob| job.id.as_str());
    Ok(JsonBody(ResultList {
        next,
        previous,
        results: page.rows.into_iter().map(JobBody::from).collect(),
        total_count: total.count,
        total_count_is_exact: total.is_exact,
    }))
}

/// One enrichment job.
#[utoipa::path(get, path = "/jobs/{job_id}", tag = "Jobs", operation_id = "getEnrichmentJob",
    params(("job_id" = String, Path, description = "The job's id"),
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "The job", body = JobBody)))]
pub(crate) async fn get_enrichment_job(
    caller: ConnectionCaller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<JobBody>> {
    Ok(JsonBody(find_job(&caller, &id).await?.into()))
}

/// Stops a job. What is being asked about at this moment is still paid for, and kept. One that has ended
/// is 409.
#[utoipa::path(post, path = "/jobs/{job_id}/_cancel", tag = "Jobs",
    operation_id = "cancelEnrichmentJob",
    params(("job_id" = String, Path, description = "The job's id"),
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "The job", body = JobBody)))]
pub(crate) async fn cancel_enrichment_job(
    caller: ConnectionCaller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<JobBody>> {
    let tenant = &caller.caller.tenant;
    let cancelled = tenant.cancel_enrichment_job(&caller.connection.id, &id);
    match cancelled.await? {
        None => return Err(unknown(&id)),
        Some(false) => {
            let state = find_job(&caller, &id).await?.state.as_str();
            return Err(ApiError::Conflict(format!("this job is {state} already")));
        }
        Some(true) => {}
    }
    Ok(JsonBody(find_job(&caller, &id).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = continue_enrichment_job)]
pub(crate) struct ContinueBody {
    /// The most credits that the whole job may spend, with what it has spent; null for no limit. If it
    /// is left out, it stays as it is.
    #[serde(default, deserialize_with = "ceiling")]
    #[schema(value_type = Option<u32>)]
    max_credits: NewCeiling,
    /// Also ask again what was asked about and may have been paid for, because its answer was lost.
    #[serde(default)]
    retry_uncertain: bool,
}

/// Tells null from a field that is left out.
fn ceiling<'de, D: Deserializer<'de>>(value: D) -> Result<NewCeiling, D::Error> {
    let given = whole_number::of_json(value)?;
    Ok(given.map_or(NewCeiling::Unlimited, |most| {
        NewCeiling::At(i64::from(most))
    }))
}

/// Goes on with what is left of a job that has ended: after `max_credits` or the provider's credits were
/// used up, after it was cancelled, or when the provider can be reached again. What was answered is not
/// asked again. One that has not ended, or has nothing left, is 409.
#[utoipa::path(post, path = "/jobs/{job_id}/_continue", tag = "Jobs",
    operation_id = "continueEnrichmentJob", request_body = ContinueBody,
    params(("job_id" = String, Path, description = "The job's id"),
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name")),
    responses((status = 200, description = "The job", body = JobBody)))]
pub(crate) async fn continue_enrichment_job(
    caller: ConnectionCaller,
    Path(id): Path<String>,
    Json(body): Json<ContinueBody>,
) -> ApiResult<JsonBody<JobBody>> {
    let how = ContinueJob {
        max_credits: body.max_credits,
        retry_uncertain: body.retry_uncertain,
    };
    let tenant = &caller.caller.tenant;
    let continued = tenant.continue_enrichment_job(&caller.connection.id, &id, how);
    match continued.await? {
        Continued::Now(job) => Ok(JsonBody((*job).into())),
        Continued::Unknown => Err(unknown(&id)),
        Continued::Active => Err(ApiError::Conflict("this job has not ended".to_owned())),
        Continued::InFlight => Err(ApiError::Conflict(
            "a request of this job is still under way: try again when it is answered".to_owned(),
        )),
        Continued::NothingLeft => Err(ApiError::Conflict(
            "this job has nothing left to ask about".to_owned(),
        )),
    }
}

async fn find_job(caller: &ConnectionCaller, id: &str) -> ApiResult<EnrichmentJob> {
    let tenant = &caller.caller.tenant;
    let found = tenant.get_enrichment_job(&caller.connection.id, id).await?;
    found.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    ApiError::NotFound(format!("Can't find enrichment job with id: {id}"))
}
