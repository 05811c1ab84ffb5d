//! Tasks: what an Apollo user is to do about a contact. Most come from the call and task steps of
//! sequences.

use async_trait::async_trait;
use serde_json::{json, value::RawValue};
use syncline_model::{
    Time,
    draft::{TaskDraft, TaskKind, TaskPriority},
    live::{Task, TaskStatus},
};

use super::{
    Apollo, PROVIDER, action,
    api::{Endpoint, unreadable},
    error,
    page::envelope_of,
};
use crate::{
    answer::{Unusable, page_size_kept},
    capabilities::{LivePageRequest, TaskFilter, TaskPage, Tasks},
    error::{ErrorKind, ProviderError},
    http::{Response, segment},
    json::{self, Fields, Malformed},
    session::Session,
};

#[async_trait]
impl Tasks for Apollo {
    async fn create_task(
        &self,
        session: &Session<'_>,
        draft: &TaskDraft,
    ) -> Result<Task, ProviderError> {
        let body = json!({
            "user_id": draft.user_id,
            "contact_id": draft.contact_id,
            "type": word(draft.kind),
            "priority": draft.priority,
            "status": "scheduled",
            "due_at": draft.due_at,
            "title": draft.title,
            "note": draft.note,
        });
        let response = self
            .call(session, Endpoint::post("api/v1/tasks", body))
            .await
            .map_err(error::of_one_record)?;
        task_in(&response)
    }

    /// Apollo has no filters for tasks, so pages are filtered here and may be short.
    async fn search_tasks(
        &self,
        session: &Session<'_>,
        filter: &TaskFilter,
        ask: LivePageRequest<'_>,
    ) -> Result<TaskPage, ProviderError> {
        let body = json!({
            "sort_by_field": "task_due_at",
            "page": ask.page,
            "per_page": ask.size,
        });
        let endpoint = Endpoint::post("api/v1/tasks/search", body);
        let response = self.call(session, endpoint).await?;
        let text = json::clean(&response.body);
        let unusable = |unusable: Unusable| unusable.into_error(PROVIDER, &response);
        let listed = envelope_of(&text, "tasks", (ask.page, ask.size)).map_err(unusable)?;
        page_size_kept(listed.items.len(), ask.size).map_err(unusable)?;
        let mut tasks = Vec::new();
        for raw in listed.items {
            let task = task(raw).map_err(|it| unreadable(&response, &it.to_string()))?;
            if filter.admits(&task) {
                tasks.push(task);
            }
        }
        Ok(TaskPage {
            tasks,
            next: listed.next.map(|_| ask.next(None)),
            total: listed.total.filter(|_| filter.is_empty()),
        })
    }

    async fn complete_task(&self, session: &Session<'_>, id: &str) -> Result<Task, ProviderError> {
        let missing = || {
            let message = format!("Apollo has no task with the id {id}");
            ProviderError::new(ErrorKind::NotFound, None, &message)
        };
        let id_in_path = segment(id).filter(|_| action::is_id(id));
        let id_in_path = id_in_path.ok_or_else(missing)?;
        let endpoint = Endpoint::post(format!("api/v1/tasks/{id_in_path}/complete"), json!({}));
        let response = self
            .call(session, endpoint)
            .await
            .map_err(error::of_one_record)?;
        let task = task_in(&response)?;
        // Apollo's response may still show the old status.
        Ok(Task {
            status: TaskStatus::Completed,
            ..task
        })
    }
}

fn task_in(response: &Response) -> Result<Task, ProviderError> {
    let text = json::clean(&response.body);
    let raw = Fields::parse(&text)
        .and_then(|answer| answer.raw("task"))
        .ok_or_else(|| unreadable(response, "it has no `task`"))?;
    task(raw).map_err(|malformed| unreadable(response, &malformed.to_string()))
}

fn task(raw: &RawValue) -> Result<Task, Malformed> {
    let fields = Fields::of(raw).ok_or_else(|| Malformed::new("task", "it is not an object"))?;
    let id = fields.filled_text("id")?;
    let provider_type = fields.text("type")?;
    let completed_at = fields.time("completed_at")?;
    Ok(Task {
        id: id.ok_or_else(|| Malformed::new("task.id", "it is missing"))?,
        kind: kind(provider_type.as_deref()),
        status: status(fields.text("status")?.as_deref(), completed_at),
        priority: priority(fields.text("priority")?.as_deref()),
        user_id: fields.text("user_id")?,
        contact_id: fields.text("contact_id")?,
        account_id: fields.text("account_id")?,
        sequence_id: fields.text("emailer_campaign_id")?,
        title: fields.text("title")?,
        note: fields.text("note")?,
        due_at: fields.time("due_at")?,
        completed_at,
        created_at: fields.time("created_at")?,
        provider_type,
    })
}

fn word(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Call => "call",
        TaskKind::Email => "outreach_manual_email",
        TaskKind::Linkedin => "linkedin_step_message",
        TaskKind::Other => "action_item",
    }
}

fn kind(word: Option<&str>) -> TaskKind {
    match word {
        Some("call") => TaskKind::Call,
        Some("outreach_manual_email" | "manual_email") => TaskKind::Email,
        Some(word) if word.starts_with("linkedin") => TaskKind::Linkedin,
        _ => TaskKind::Other,
    }
}

fn status(word: Option<&str>, completed_at: Option<Time>) -> TaskStatus {
    match word {
        Some("skipped") => TaskStatus::Skipped,
        Some("completed") => TaskStatus::Completed,
        _ if completed_at.is_some() => TaskStatus::Completed,
        _ => TaskStatus::Open,
    }
}

fn priority(word: Option<&str>) -> Option<TaskPriority> {
    match word? {
        "high" => Some(TaskPriority::High),
        "medium" => Some(TaskPriority::Medium),
        "low" => Some(TaskPriority::Low),
        _ => None,
    }
}
