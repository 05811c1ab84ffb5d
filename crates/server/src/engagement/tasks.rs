//! Tasks: what a person should do about a contact. They are not stored in tables; the provider is
//! asked.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use syncline_model::{
    Object,
    draft::TaskDraft,
    live::{Task, TaskStatus},
};
use syncline_providers::capabilities::TaskFilter;
use utoipa::{IntoParams, ToSchema};

use super::{
    live,
    records::Pagination,
    writes::{Given, filled, time},
};
use crate::{
    AppState,
    error::ApiResult,
    extract::{ConnectionCaller, Json, Path, Query},
    remote::Remote,
};

const DEFAULT_PAGE_SIZE: i64 = 10;

#[derive(Serialize, ToSchema)]
#[schema(as = task_record)]
pub(crate) struct TaskBody {
    record: Task,
}

/// Creates a task.
#[utoipa::path(post, path = "/tasks", tag = "Tasks", operation_id = "createTask",
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    request_body = Given<TaskDraft>,
    responses((status = 201, description = "The task", body = TaskBody)))]
pub(crate) async fn create_task(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Json(body): Json<Given<TaskDraft>>,
) -> ApiResult<(StatusCode, JsonBody<TaskBody>)> {
    let mut draft = body.record;
    filled("record.user_id", &draft.user_id)?;
    filled("record.contact_id", &draft.contact_id)?;
    draft.due_at = time("record.due_at", &draft.due_at)?;
    let remote = Remote::of(&state, &connection).await?;
    let record = remote
        .capabilities()
        .tasks()?
        .create_task(&remote.session(), &draft)
        .await?;
    Ok((StatusCode::CREATED, JsonBody(TaskBody { record })))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskPageQuery {
    /// 1 to 100; default 10.
    page_size: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = search_tasks)]
pub(crate) struct SearchTasks {
    #[serde(default)]
    #[schema(required = false)]
    filter: TaskFilterBody,
}

/// A task must match all that are given.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = task_filter)]
struct TaskFilterBody {
    contact_id: Option<String>,
    user_id: Option<String>,
    status: Option<TaskStatus>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = task_list)]
pub(crate) struct TaskList {
    pagination: Pagination,
    records: Vec<Task>,
}

/// Tasks, latest due time first.
///
/// Apollo can't filter them: there a page is filtered after it was read, so it may be shorter than
/// `page_size`, or empty, even if there is a `next` page.
#[utoipa::path(post, path = "/tasks/_search", tag = "Tasks", operation_id = "searchTasks",
    params(TaskPageQuery, ("x-customer-id" = String, Header),
        ("x-provider-name" = String, Header)),
    request_body = SearchTasks,
    responses((status = 200, description = "Tasks", body = TaskList)))]
pub(crate) async fn search_tasks(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<TaskPageQuery>,
    Json(body): Json<SearchTasks>,
) -> ApiResult<JsonBody<TaskList>> {
    // No object has this list; `of` keeps its cursors apart from others.
    let (object, of) = (Object::Contact, Some("tasks"));
    let (size, cursor) = (asked.page_size.as_deref(), asked.cursor.as_deref());
    let ask = live::page_asked(object, of, size, DEFAULT_PAGE_SIZE, cursor)?;
    let filter = TaskFilter {
        contact_id: body.filter.contact_id,
        user_id: body.filter.user_id,
        status: body.filter.status,
    };
    let remote = Remote::of(&state, &connection).await?;
    let page = remote
        .capabilities()
        .tasks()?
        .search_tasks(&remote.session(), &filter, ask.request())
        .await?;
    Ok(JsonBody(TaskList {
        pagination: live::pagination(object, of, &ask, page.next, page.total),
        records: page.tasks,
    }))
}

/// Marks a task as done.
#[utoipa::path(post, path = "/tasks/{task_id}/_complete", tag = "Tasks",
    operation_id = "completeTask",
    params(("task_id" = String, Path, description = "The task's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The task", body = TaskBody)))]
pub(crate) async fn complete_task(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<TaskBody>> {
    let remote = Remote::of(&state, &connection).await?;
    let record = remote
        .capabilities()
        .tasks()?
        .complete_task(&remote.session(), &id)
        .await?;
    Ok(JsonBody(TaskBody { record }))
}
