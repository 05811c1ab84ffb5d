//! One enrichment job: how far it is and what it cost, what is known of its entries, and the results as
//! a file. It can be cancelled and continued.

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use syncline_model::Time;
use syncline_server::in_process::{ApiCall, CallBody};

use super::keys::is_about_what_was_entered;
use crate::{
    address::{encoded, with_query},
    failure::Failure,
    jobs::{JOBS, Job, job_path, jobs_path},
    keys::number,
    page::{Policy, answer},
    pager::Pager,
    parts::State,
    resources::connection_path,
    viewer::{Frame, Viewer, of_connection},
    words::count,
};

const PAGE_SIZE: &str = "100";

#[derive(Deserialize)]
struct Results {
    next: Option<String>,
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    position: i64,
    #[serde(rename = "ref")]
    reference: Option<String>,
    status: String,
    input: Map<String, Value>,
    same_as: Option<i64>,
    reused: bool,
    error: Option<String>,
    person: Option<Value>,
    company: Option<Value>,
    awaited: bool,
}

/// A text or a number as text; nothing if it isn't there.
fn text(value: &Value, at: &str) -> String {
    match value.pointer(at) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

impl Entry {
    fn state(&self) -> State {
        State::new(&self.status)
    }

    /// What was asked, in one line.
    fn asked(&self) -> String {
        let fields = self.input.values().filter_map(Value::as_str);
        fields.collect::<Vec<_>>().join(", ")
    }

    fn of_person(&self, at: &str) -> String {
        self.person
            .as_ref()
            .map_or_else(String::new, |it| text(it, at))
    }

    /// Of the company, or of the one that the person works at.
    fn of_company(&self, at: &str) -> String {
        let of_person = self.person.as_ref().and_then(|it| it.get("company"));
        let company = self.company.as_ref().or(of_person);
        company.map_or_else(String::new, |it| text(it, at))
    }

    fn phone_numbers(&self) -> String {
        let person = self.person.as_ref();
        let numbers = person.and_then(|it| it["phone_numbers"].as_array());
        let numbers = numbers.into_iter().flatten();
        let numbers: Vec<String> = numbers.map(|it| text(it, "/phone_number")).collect();
        numbers.join(", ")
    }
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    cursor: String,
}

/// What is entered, or which button was pressed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Control {
    /// `cancel` or `continue`.
    action: String,
    max_credits: String,
    retry_uncertain: Option<String>,
}

#[derive(Template)]
#[template(path = "console/enrichment_job.html")]
struct JobPage {
    frame: Frame,
    now: Time,
    job: Job,
    results: Results,
    pager: Pager,
    /// The most credits, in the form that continues the job.
    max_credits: String,
    retry_uncertain: bool,
    /// Why it was not continued.
    error: Option<String>,
    may_control: bool,
}

impl JobPage {
    /// The addresses of the connection's page and of its jobs, without the base.
    fn connection(&self) -> String {
        connection_path(&self.job.customer_id, &self.job.provider_name)
    }

    fn jobs(&self) -> String {
        jobs_path(&self.job.customer_id, &self.job.provider_name)
    }
}

type Ids = (String, String, String);

/// A job's address in the API, and the headers that select its connection.
fn in_api((customer_id, provider, id): &Ids) -> (String, [(HeaderName, String); 2]) {
    let path = format!("{JOBS}/{}", encoded(id));
    (path, of_connection(customer_id, provider))
}

pub(crate) async fn show(
    viewer: Viewer,
    Path(ids): Path<Ids>,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    page(viewer, &ids, &filter.cursor, None).await
}

/// `refused`: what was entered to continue the job, and why it was not.
async fn page(
    viewer: Viewer,
    ids: &Ids,
    cursor: &str,
    refused: Option<(Control, String)>,
) -> Result<Response, Failure> {
    let (path, headers) = in_api(ids);
    let job: Job = viewer.get_of(&headers, &path).await?;
    let page = [("page_size", PAGE_SIZE), ("cursor", cursor)];
    let results = with_query(&format!("{path}/results"), page);
    let results: Results = viewer.get_of(&headers, &results).await?;
    let (status, max_credits, retry_uncertain, error) = match refused {
        None => {
            let most = job.max_credits.map(|most| most.to_string());
            (StatusCode::OK, most.unwrap_or_default(), false, None)
        }
        Some((entered, error)) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            entered.max_credits,
            entered.retry_uncertain.is_some(),
            Some(error),
        ),
    };
    let mut pager = Pager::to(results.next.as_deref(), None, &[]);
    pager.previous =
        (!cursor.is_empty()).then(|| format!("{}{}", viewer.frame.layout.base, job.path()));
    let page = JobPage {
        may_control: viewer.may(&Method::POST, &format!("{path}/_continue")),
        now: viewer.now,
        frame: viewer.frame,
        pager,
        job,
        results,
        max_credits,
        retry_uncertain,
        error,
    };
    Ok(answer(status, Policy::OwnScript, &page))
}

/// Cancels or continues the job.
pub(crate) async fn control(
    viewer: Viewer,
    Path(ids): Path<Ids>,
    Form(control): Form<Control>,
) -> Result<Response, Failure> {
    let (path, headers) = in_api(&ids);
    let back = job_path(&ids.0, &ids.1, &ids.2);
    if control.action == "cancel" {
        let path = format!("{path}/_cancel");
        viewer.change(Method::POST, &path, &headers, None).await?;
        return Ok(viewer.back_to(&back, "job-cancelled"));
    }
    let body = json!({
        "max_credits": number(&control.max_credits),
        "retry_uncertain": control.retry_uncertain.is_some(),
    });
    let call = ApiCall {
        method: Method::POST,
        path: &format!("{path}/_continue"),
        headers: &headers,
        body: Some(CallBody::Json(body)),
    };
    let continued: Result<Value, _> = viewer.call(call).await;
    match continued {
        Ok(_) => Ok(viewer.back_to(&back, "job-continued")),
        Err(failure) if is_about_what_was_entered(failure.status) => {
            page(viewer, &ids, "", Some((control, failure.title))).await
        }
        Err(failure) => Err(viewer.failed(failure)),
    }
}

/// The whole list as a file, which is read while it is sent.
pub(crate) async fn download(viewer: Viewer, Path(ids): Path<Ids>) -> Result<Response, Failure> {
    let (path, headers) = in_api(&ids);
    let call = ApiCall {
        method: Method::GET,
        path: &format!("{path}/results?format=csv"),
        headers: &headers,
        body: None,
    };
    let answer = viewer.stream(call).await;
    let answer = answer.map_err(|failure| viewer.failed(failure))?;
    let (parts, body) = answer.into_parts();
    let mut file = Response::new(body);
    let headers = file.headers_mut();
    for name in [header::CONTENT_TYPE, header::CONTENT_DISPOSITION] {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(file)
}
