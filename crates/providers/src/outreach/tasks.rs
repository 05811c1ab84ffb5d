//! Tasks: what an Outreach user is to do about a prospect. Most come from the steps of sequences.
//!
//! A task has a note and no title, and priorities are records that each organisation has of its own.

use async_trait::async_trait;
use serde_json::value::RawValue;
use syncline_model::{
    draft::{CustomFields, TaskDraft, TaskKind},
    live::{Task, TaskStatus},
};

use super::{
    Outreach, PROVIDER,
    api::unreadable,
    creation::{Creation, record_of},
    document::{Document, id_in},
    lookup::whole,
    page::listed_in,
    part::Part,
};
use crate::{
    capabilities::{LivePageRequest, TaskFilter, TaskPage, Tasks},
    error::{ErrorKind, ProviderError},
    json::{self, Fields, Malformed},
    live::Parameter,
    session::Session,
};

const COLLECTION: &str = "tasks";

#[async_trait]
impl Tasks for Outreach {
    async fn create_task(
        &self,
        session: &Session<'_>,
        draft: &TaskDraft,
    ) -> Result<Task, ProviderError> {
        let record = self.create(session, &creation(draft)?).await?;
        task(&record).map_err(|it| unusable(&it))
    }

    async fn search_tasks(
        &self,
        session: &Session<'_>,
        filter: &TaskFilter,
        ask: LivePageRequest<'_>,
    ) -> Result<TaskPage, ProviderError> {
        let Some(filters) = filters(filter) else {
            return Ok(TaskPage {
                tasks: Vec::new(),
                next: None,
                total: Some(0),
            });
        };
        let mut query = vec![
            ("page[size]", ask.size.to_string()),
            ("sort", "-dueAt".to_owned()),
            ("count", "true".to_owned()),
        ];
        query.extend(filters);
        if let Some(token) = ask.token {
            query.push(("page[after]", token.to_owned()));
        }
        let response = self.read_in(session, COLLECTION, query).await?;
        let text = json::clean(&response.body);
        let listed = listed_in(&text, (ask.token, ask.size))
            .map_err(|unusable| unusable.into_error(PROVIDER, &response))?;
        let tasks = listed.items.into_iter().map(task).collect::<Result<_, _>>();
        Ok(TaskPage {
            tasks: tasks.map_err(|malformed| unreadable(&response, &malformed.to_string()))?,
            next: listed.next.map(|next| ask.next(next.token)),
            total: listed.total,
        })
    }

    async fn complete_task(&self, session: &Session<'_>, id: &str) -> Result<Task, ProviderError> {
        let number = whole(id).ok_or_else(|| {
            let message = format!("{PROVIDER} has no task with the id {id}");
            ProviderError::new(ErrorKind::NotFound, None, &message)
        })?;
        let acted = self.act(session, (COLLECTION, number), "markComplete");
        let completed = match acted.await {
            Ok(response) => record_of(&response),
            Err(error) => Err(error),
        };
        match completed.and_then(|record| task(&record).map_err(|it| unusable(&it))) {
            Err(error) if error.is_temporary() => {
                // It may have been completed all the same.
                self.completed(session, number).await.ok_or(error)
            }
            completed => completed,
        }
    }
}

impl Outreach {
    /// The task, if it is completed.
    async fn completed(&self, session: &Session<'_>, number: u64) -> Option<Task> {
        let path = format!("{COLLECTION}/{number}");
        let response = self.read_in(session, &path, Vec::new()).await.ok()?;
        let task = task(&record_of(&response).ok()?).ok()?;
        (task.status == TaskStatus::Completed).then_some(task)
    }
}

fn creation(draft: &TaskDraft) -> Result<Creation, ProviderError> {
    let owner = id_in("user_id", &draft.user_id)?;
    let prospect = id_in("contact_id", &draft.contact_id)?;
    let mut document = Document::new("task", &CustomFields::new());
    document.set("action", word(draft.kind)?);
    document.set("dueAt", draft.due_at.clone());
    if let Some(note) = note_of(draft) {
        document.set("note", note);
    }
    document.relate("owner", "user", owner);
    document.relate("subject", "prospect", prospect);
    Ok(Creation {
        collection: COLLECTION,
        document,
        sought: vec![
            ("filter[prospect][id]", prospect.to_string()),
            ("filter[owner][id]", owner.to_string()),
            ("sort", "-createdAt".to_owned()),
        ],
        same: &["action", "note"],
    })
}

/// A title goes before the note, because there is no other place for it.
fn note_of(draft: &TaskDraft) -> Option<String> {
    let parts = [draft.title.as_deref(), draft.note.as_deref()];
    let filled = parts
        .into_iter()
        .flatten()
        .filter(|it| !it.trim().is_empty());
    let filled: Vec<&str> = filled.collect();
    (!filled.is_empty()).then(|| filled.join("\n"))
}

/// `None` if no task can match.
fn filters(filter: &TaskFilter) -> Option<Vec<Parameter>> {
    let mut filters = Vec::new();
    if let Some(id) = &filter.contact_id {
        filters.push(("filter[prospect][id]", whole(id)?.to_string()));
    }
    if let Some(id) = &filter.user_id {
        filters.push(("filter[owner][id]", whole(id)?.to_string()));
    }
    match filter.status {
        None => {}
        // A task of a sequence is pending until its step is due.
        Some(TaskStatus::Open) => filters.extend([
            ("newFilterSyntax", "true".to_owned()),
            ("filter[state][]", "incomplete".to_owned()),
            ("filter[state][]", "pending".to_owned()),
        ]),
        Some(TaskStatus::Completed) => {
            filters.push(("filter[state]", "complete".to_owned()));
        }
        // Outreach deletes what is skipped.
        Some(TaskStatus::Skipped) => return None,
    }
    Some(filters)
}

fn unusable(malformed: &Malformed) -> ProviderError {
    let message = format!("{PROVIDER}'s answer can't be read: {malformed}");
    ProviderError::new(ErrorKind::InvalidResponse, None, &message)
}

fn task(raw: &RawValue) -> Result<Task, Malformed> {
    let part = Part::of(Fields::of(raw))?;
    let attributes = &part.attributes;
    let action = attributes.filled_text("action")?;
    let completed_at = attributes.time("completedAt")?;
    let is_complete = attributes.text("state")?.as_deref() == Some("complete");
    Ok(Task {
        kind: kind(action.as_deref()),
        status: if is_complete || completed_at.is_some() {
            TaskStatus::Completed
        } else {
            TaskStatus::Open
        },
        priority: None,
        user_id: part.related("owner")?,
        contact_id: part.related("prospect")?,
        account_id: part.related("account")?,
        sequence_id: part.related("sequence")?,
        title: None,
        note: attributes.text("note")?,
        due_at: attributes.time("dueAt")?,
        completed_at,
        created_at: attributes.time("createdAt")?,
        provider_type: action,
        id: part.id,
    })
}

fn word(kind: TaskKind) -> Result<&'static str, ProviderError> {
    match kind {
        TaskKind::Call => Ok("call"),
        TaskKind::Email => Ok("email"),
        TaskKind::Other => Ok("action_item"),
        TaskKind::Linkedin => Err(ProviderError::invalid(
            "type",
            "must be call, email or other: Outreach makes tasks on LinkedIn only from sequences",
        )),
    }
}

fn kind(word: Option<&str>) -> TaskKind {
    match word {
        Some("call") => TaskKind::Call,
        Some("email") => TaskKind::Email,
        Some(word) if word.starts_with("linkedin") => TaskKind::Linkedin,
        _ => TaskKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft(fields: &serde_json::Value) -> TaskDraft {
        let mut draft = json!({"user_id": "7", "contact_id": "81", "type": "call",
            "due_at": "2026-05-04T09:00:00Z"});
        draft
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        serde_json::from_value(draft).unwrap()
    }

    #[test]
    fn a_title_is_the_first_line_of_the_note() {
        for (fields, note) in [
            (json!({}), None),
            (json!({"title": "Ring"}), Some("Ring")),
            (json!({"note": "At nine"}), Some("At nine")),
            (
                json!({"title": "Ring", "note": "At nine"}),
                Some("Ring\nAt nine"),
            ),
            (json!({"title": " ", "note": ""}), None),
        ] {
            assert_eq!(note_of(&draft(&fields)).as_deref(), note);
        }
    }

    #[test]
    fn what_outreach_has_no_place_for_names_its_field() {
        for (fields, field) in [
            (json!({"user_id": "nobody"}), "user_id"),
            (json!({"contact_id": ""}), "contact_id"),
            (json!({"type": "linkedin"}), "type"),
        ] {
            let Err(error) = creation(&draft(&fields)) else {
                panic!("{field} was taken");
            };
            assert_eq!(error.field.unwrap().0, field);
        }
    }

    #[test]
    fn a_task_of_a_sequence_is_mapped() {
        let raw = r#"{"type":"task","id":5,"attributes":{"action":"linkedin_view_profile",
            "state":"pending","dueAt":null,"note":null},
            "relationships":{"owner":{"data":{"type":"user","id":7}},"prospect":{"links":{}},
            "sequence":{"data":{"type":"sequence","id":44}},"account":{"data":null}}}"#;
        let task = task(&RawValue::from_string(raw.to_owned()).unwrap()).unwrap();
        assert_eq!((task.id.as_str(), task.kind), ("5", TaskKind::Linkedin));
        assert_eq!(task.status, TaskStatus::Open);
        assert_eq!(task.user_id.as_deref(), Some("7"));
        assert_eq!(task.sequence_id.as_deref(), Some("44"));
        assert_eq!((task.contact_id, task.account_id), (None, None));
    }
}
