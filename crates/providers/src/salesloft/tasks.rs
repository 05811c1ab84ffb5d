//! Tasks: what a user is to do about a person. What cadences are due for is another thing at Salesloft
//! and not among them.
//!
//! A task is due on a day and not at a time, and has no priority.

use async_trait::async_trait;
use serde_json::{Map, Value, json, value::RawValue};
use syncline_model::{
    Time,
    draft::{TaskDraft, TaskKind},
    live::{Task, TaskStatus},
};

use super::{
    PROVIDER, Salesloft,
    api::{Endpoint, unreadable},
    creation::{Creation, record_of},
    fields::number,
    lookup::is_id,
};
use crate::{
    answer::{Unusable, page_size_kept},
    capabilities::{LivePageRequest, TaskFilter, TaskPage, Tasks},
    error::{ErrorKind, ProviderError},
    http::Response,
    json::{self, Fields, Malformed},
    session::Session,
};

const COLLECTION: &str = "v2/tasks";

#[async_trait]
impl Tasks for Salesloft {
    async fn create_task(
        &self,
        session: &Session<'_>,
        draft: &TaskDraft,
    ) -> Result<Task, ProviderError> {
        let fields = fields_of(draft)?;
        let sought = ["person_id", "user_id"].map(|name| (name, fields[name].to_string()));
        let creation = Creation {
            collection: COLLECTION,
            fields,
            sought: sought.to_vec(),
            same: &["subject", "description", "due_date", "task_type"],
        };
        let record = self.create(session, &creation).await?;
        task(&record).map_err(|it| unusable(&it))
    }

    async fn search_tasks(
        &self,
        session: &Session<'_>,
        filter: &TaskFilter,
        ask: LivePageRequest<'_>,
    ) -> Result<TaskPage, ProviderError> {
        let state = match filter.status {
            None => None,
            Some(TaskStatus::Open) => Some("scheduled"),
            Some(TaskStatus::Completed) => Some("completed"),
            // Salesloft skips no tasks.
            Some(TaskStatus::Skipped) => return Ok(none()),
        };
        let mut endpoint = Endpoint::get(COLLECTION)
            .query("page", &ask.page)
            .query("per_page", &ask.size)
            .query("sort_by", &"due_date")
            .query("sort_direction", &"DESC")
            .query("include_paging_counts", &true);
        for (name, id) in [
            ("person_id", &filter.contact_id),
            ("user_id", &filter.user_id),
        ] {
            match id {
                Some(id) if is_id(id) => endpoint = endpoint.query(name, id),
                Some(_) => return Ok(none()),
                None => {}
            }
        }
        if let Some(state) = state {
            endpoint = endpoint.query("current_state", &state);
        }
        let response = self.call(session, endpoint).await?;
        let page = page_of(&response, ask)?;
        // Salesloft ignores filters that it doesn't know.
        let tasks = page.tasks.into_iter().filter(|task| filter.admits(task));
        Ok(TaskPage {
            tasks: tasks.collect(),
            ..page
        })
    }

    async fn complete_task(&self, session: &Session<'_>, id: &str) -> Result<Task, ProviderError> {
        if !is_id(id) {
            let message = format!("{PROVIDER} has no task with the id {id}");
            return Err(ProviderError::new(ErrorKind::NotFound, None, &message));
        }
        let path = format!("{COLLECTION}/{id}");
        let endpoint = Endpoint::put(path.clone(), json!({"current_state": "completed"}));
        let completed = self.call(session, endpoint).await;
        let completed = completed.and_then(|response| task_in(&response));
        match completed {
            Err(error) if error.is_temporary() => {
                // It may have been completed all the same.
                let now = self.call(session, Endpoint::get(path)).await;
                let now = now.and_then(|response| task_in(&response)).ok();
                now.filter(|task| task.status == TaskStatus::Completed)
                    .ok_or(error)
            }
            completed => completed,
        }
    }
}

fn none() -> TaskPage {
    TaskPage {
        tasks: Vec::new(),
        next: None,
        total: Some(0),
    }
}

fn fields_of(draft: &TaskDraft) -> Result<Map<String, Value>, ProviderError> {
    let (kind, usual) = word(draft.kind)?;
    let title = draft.title.as_deref().map(str::trim);
    let subject = title.filter(|title| !title.is_empty()).unwrap_or(usual);
    let mut fields = Map::new();
    for (name, value) in [
        ("subject", subject.into()),
        ("person_id", number("contact_id", &draft.contact_id)?.into()),
        ("user_id", number("user_id", &draft.user_id)?.into()),
        ("task_type", kind.into()),
        ("due_date", day_of(&draft.due_at).into()),
        ("current_state", "scheduled".into()),
    ] {
        fields.insert(name.to_owned(), value);
    }
    if let Some(note) = &draft.note {
        fields.insert("description".to_owned(), note.clone().into());
    }
    Ok(fields)
}

/// The day as the caller wrote it, in their own time zone.
fn day_of(due_at: &str) -> &str {
    due_at.get(..10).unwrap_or(due_at)
}

/// Salesloft's word for a kind, and the subject of a task without a title.
fn word(kind: TaskKind) -> Result<(&'static str, &'static str), ProviderError> {
    match kind {
        TaskKind::Call => Ok(("call", "Call")),
        TaskKind::Email => Ok(("email", "E-mail")),
        TaskKind::Other => Ok(("general", "Task")),
        TaskKind::Linkedin => Err(ProviderError::invalid(
            "type",
            "must be call, email or other: Salesloft's API makes no tasks on LinkedIn",
        )),
    }
}

fn page_of(response: &Response, ask: LivePageRequest<'_>) -> Result<TaskPage, ProviderError> {
    let text = json::clean(&response.body);
    let answer = Fields::parse(&text);
    let answer = answer.ok_or_else(|| unreadable(response, "it is not an object"))?;
    let malformed = |it: Malformed| unreadable(response, &it.to_string());
    let items = answer.list("data").map_err(malformed)?;
    let too_many = |it: Unusable| it.into_error(PROVIDER, response);
    page_size_kept(items.len(), ask.size).map_err(too_many)?;
    let tasks: Result<Vec<Task>, Malformed> = items.into_iter().map(task).collect();
    let paging = paging_of(&answer);
    let number = |name| paging.as_ref()?.int(name).ok().flatten();
    Ok(TaskPage {
        tasks: tasks.map_err(malformed)?,
        next: number("next_page").map(|_| ask.next(None)),
        total: number("total_count"),
    })
}

fn paging_of<'a>(answer: &Fields<'a>) -> Option<Fields<'a>> {
    let metadata = answer.object("metadata").ok()??;
    metadata.object("paging").ok()?
}

fn task_in(response: &Response) -> Result<Task, ProviderError> {
    let record = record_of(response)?;
    task(&record).map_err(|it| unreadable(response, &it.to_string()))
}

fn unusable(malformed: &Malformed) -> ProviderError {
    let message = format!("{PROVIDER}'s answer can't be read: {malformed}");
    ProviderError::new(ErrorKind::InvalidResponse, None, &message)
}

fn task(raw: &RawValue) -> Result<Task, Malformed> {
    let fields = Fields::of(raw).ok_or_else(|| Malformed::new("data", "it is not an object"))?;
    let provider_type = fields.filled_text("task_type")?;
    let completed_at = fields.time("completed_at")?;
    let is_completed = fields.text("current_state")?.as_deref() == Some("completed");
    Ok(Task {
        id: fields.id("id")?,
        kind: kind(provider_type.as_deref()),
        status: if is_completed || completed_at.is_some() {
            TaskStatus::Completed
        } else {
            TaskStatus::Open
        },
        priority: None,
        user_id: reference(&fields, "user")?,
        contact_id: reference(&fields, "person")?,
        account_id: reference(&fields, "account")?,
        sequence_id: None,
        title: fields.filled_text("subject")?,
        note: fields.text("description")?,
        due_at: due_at(&fields)?,
        completed_at,
        created_at: fields.time("created_at")?,
        provider_type,
    })
}

/// The time, or else the first moment of the day.
fn due_at(fields: &Fields<'_>) -> Result<Option<Time>, Malformed> {
    match fields.time("due_at")? {
        Some(time) => Ok(Some(time)),
        None => fields.time("due_date"),
    }
}

fn reference(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Malformed> {
    match fields.object(name)? {
        Some(reference) => reference.filled_text("id"),
        None => Ok(None),
    }
}

fn kind(word: Option<&str>) -> TaskKind {
    match word {
        Some("call") => TaskKind::Call,
        Some("email") => TaskKind::Email,
        _ => TaskKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(fields: &Value) -> TaskDraft {
        let mut draft = json!({"user_id": "5", "contact_id": "7301", "type": "call",
            "due_at": "2026-05-04T23:30:00-05:00"});
        let own = fields.as_object().unwrap().clone();
        draft.as_object_mut().unwrap().extend(own);
        serde_json::from_value(draft).unwrap()
    }

    #[test]
    fn a_task_is_due_on_the_day_that_was_written() {
        let fields = fields_of(&draft(&json!({"note": "At nine"}))).unwrap();
        let expected = json!({"subject": "Call", "person_id": 7301, "user_id": 5,
            "task_type": "call", "due_date": "2026-05-04", "current_state": "scheduled",
            "description": "At nine"});
        assert_eq!(Value::Object(fields), expected);
        let fields = fields_of(&draft(&json!({"title": "Ring"}))).unwrap();
        assert_eq!(fields["subject"], "Ring");
    }

    #[test]
    fn what_salesloft_has_no_place_for_names_its_field() {
        for (fields, field) in [
            (json!({"user_id": "nobody"}), "user_id"),
            (json!({"contact_id": ""}), "contact_id"),
            (json!({"type": "linkedin"}), "type"),
        ] {
            let error = fields_of(&draft(&fields)).unwrap_err();
            assert_eq!(error.field.unwrap().0, field);
        }
    }

    #[test]
    fn a_task_with_a_day_only_is_due_at_its_first_moment() {
        let raw = r#"{"id":9,"subject":"Ring","description":null,"task_type":"general",
            "current_state":"scheduled","due_date":"2026-05-04","due_at":null,
            "person":{"id":7301},"user":{"id":5,"_href":"x"}}"#;
        let task = task(&RawValue::from_string(raw.to_owned()).unwrap()).unwrap();
        assert_eq!(
            task.due_at.unwrap().to_rfc3339(),
            "2026-05-04T00:00:00+00:00"
        );
        assert_eq!(
            (task.kind, task.status),
            (TaskKind::Other, TaskStatus::Open)
        );
        assert_eq!(task.contact_id.as_deref(), Some("7301"));
        assert_eq!(task.title.as_deref(), Some("Ring"));
    }
}
