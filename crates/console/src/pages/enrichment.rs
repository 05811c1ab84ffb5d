//! A connection's enrichment jobs, newest first, and a form that makes one of a list as CSV.

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use syncline_model::Time;
use syncline_server::in_process::{ApiCall, ApiFailure, CallBody};

use super::keys::is_about_what_was_entered;
use crate::{
    address::{encoded, with_query},
    failure::Failure,
    jobs::{JOBS, Job, job_path, jobs_path},
    page::{Policy, answer},
    pager::Pager,
    resources::{Listed, connection_path},
    viewer::{Frame, Viewer, of_connection},
    words::count,
};

const PAGE_SIZE: &str = "50";

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    cursor: String,
}

/// What is entered for a new job.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entered {
    csv: String,
    kind: String,
    max_credits: String,
}

#[derive(Template)]
#[template(path = "console/enrichment.html")]
struct JobsPage {
    frame: Frame,
    now: Time,
    customer_id: String,
    provider: String,
    jobs: Listed<Job>,
    pager: Pager,
    entered: Entered,
    /// What is wrong with it.
    error: Option<String>,
    may_create: bool,
}

impl JobsPage {
    const KINDS: &'static [&'static str] = &["people", "companies"];

    /// The addresses of this page and of the connection's, without the base.
    fn path(&self) -> String {
        jobs_path(&self.customer_id, &self.provider)
    }

    fn connection(&self) -> String {
        connection_path(&self.customer_id, &self.provider)
    }
}

pub(crate) async fn list(
    viewer: Viewer,
    Path((customer_id, provider)): Path<(String, String)>,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let form = (Entered::default(), None);
    page(viewer, (customer_id, provider), &filter.cursor, form).await
}

async fn page(
    viewer: Viewer,
    (customer_id, provider): (String, String),
    cursor: &str,
    (entered, error): (Entered, Option<String>),
) -> Result<Response, Failure> {
    let headers = of_connection(&customer_id, &provider);
    let path = with_query(JOBS, [("page_size", PAGE_SIZE), ("cursor", cursor)]);
    let jobs: Listed<Job> = viewer.get_of(&headers, &path).await?;
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = JobsPage {
        pager: Pager::of(&jobs, &[]),
        may_create: viewer.may(&Method::POST, JOBS),
        now: viewer.now,
        frame: viewer.frame,
        customer_id,
        provider,
        jobs,
        entered,
        error,
    };
    Ok(answer(status, Policy::OwnScript, &page))
}

/// Makes a job of the list that was entered.
pub(crate) async fn create(
    viewer: Viewer,
    Path((customer_id, provider)): Path<(String, String)>,
    Form(entered): Form<Entered>,
) -> Result<Response, Failure> {
    match created(&viewer, &customer_id, &provider, &entered).await {
        Ok(id) => Ok(viewer.back_to(&job_path(&customer_id, &provider, &id), "job-made")),
        Err(failure) if is_about_what_was_entered(failure.status) => {
            let form = (entered, Some(failure.title));
            page(viewer, (customer_id, provider), "", form).await
        }
        Err(failure) => Err(viewer.failed(failure)),
    }
}

/// The new job's id.
async fn created(
    viewer: &Viewer,
    customer_id: &str,
    provider: &str,
    entered: &Entered,
) -> Result<String, ApiFailure> {
    #[derive(Deserialize)]
    struct Created {
        id: String,
    }
    let options = [
        ("kind", entered.kind.as_str()),
        ("max_credits", entered.max_credits.trim()),
    ];
    let call = ApiCall {
        method: Method::POST,
        path: &with_query(JOBS, options),
        headers: &of_connection(customer_id, provider),
        body: Some(CallBody::Csv(entered.csv.clone())),
    };
    let created: Created = viewer.call(call).await?;
    Ok(created.id)
}
