//! The rows of an object's table; contacts are found by their e-mail address.

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use syncline_model::{Object, Time};
use syncline_server::in_process::{ApiCall, CallBody};

use crate::{
    address::{encoded, with_query},
    failure::Failure,
    page::{Policy, answer},
    pager::Pager,
    parts::State,
    record::{Of, Record},
    viewer::{Frame, Viewer, of_connection},
    words::{count, plain},
};

const PAGE_SIZE: &str = "50";

#[derive(Deserialize)]
struct Records {
    pagination: Pagination,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Pagination {
    next: Option<String>,
    previous: Option<String>,
    total_count: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    /// A contact's e-mail address.
    #[serde(default)]
    search: String,
    #[serde(default)]
    deleted: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "console/records.html")]
struct RecordsPage {
    frame: Frame,
    now: Time,
    of: Of,
    filter: Filter,
    records: Records,
    pager: Pager,
}

pub(crate) async fn list(
    viewer: Viewer,
    Path((customer_id, provider, object)): Path<(String, String, Object)>,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let of = Of {
        customer_id,
        provider,
        object,
    };
    let records = read(&of, &viewer, &filter).await?;
    let kept = [("search", &*filter.search), ("deleted", &*filter.deleted)];
    let Pagination { next, previous, .. } = &records.pagination;
    let page = RecordsPage {
        pager: Pager::to(next.as_deref(), previous.as_deref(), &kept),
        frame: viewer.frame,
        now: viewer.now,
        of,
        filter,
        records,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

async fn read(of: &Of, viewer: &Viewer, filter: &Filter) -> Result<Records, Failure> {
    let plural = of.object.plural();
    let searches = of.object == Object::Contact && !filter.search.is_empty();
    let list = format!("/engagement/v2/{plural}");
    let page = [
        ("read_from_cache", "true"),
        ("page_size", PAGE_SIZE),
        ("cursor", &filter.cursor),
    ];
    let (method, path, body) = if searches {
        let body = json!({"filter": {"emails": [filter.search.trim()]}});
        let path = with_query(&format!("{list}/_search"), page);
        (Method::POST, path, Some(CallBody::Json(body)))
    } else {
        let deleted = if filter.deleted.is_empty() {
            "false"
        } else {
            "true"
        };
        let deleted = [("include_deleted_data", deleted)];
        let path = with_query(&list, page.into_iter().chain(deleted));
        (Method::GET, path, None)
    };
    let call = ApiCall {
        method,
        path: &path,
        headers: &of_connection(&of.customer_id, &of.provider),
        body,
    };
    let read = viewer.call(call).await;
    read.map_err(|failure| viewer.failed(failure))
}
