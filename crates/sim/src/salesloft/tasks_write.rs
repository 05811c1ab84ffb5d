//! Writing of tasks. There is no call to delete one.

use chrono::{NaiveDate, NaiveTime};
use serde_json::Value as Json;

use super::Call;
use super::body::{Fields, day, invalid, text, unknown};
use super::eastern::instant;
use super::list::written;
use super::refusal::{Answer, Refusal};
use super::resource::Resource;
use super::tasks::{TYPES, Tasks};
use crate::world::task::Task;

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    let key = fields.get("idempotency_key").and_then(Json::as_str);
    if let Some(known) = key.and_then(|key| call.team.salesloft.task_keys.get(key)) {
        return written::<Tasks>(call, 200, known);
    }
    for name in ["subject", "task_type", "due_date", "current_state"] {
        fields.required(name)?;
    }
    let (person, user) = (
        fields.required_id("person_id")?,
        fields.required_id("user_id")?,
    );
    if call.team.live_contact(&person).is_err() {
        return Err(Refusal::field("person", "must exist"));
    }
    if !call.team.has_user(&user) {
        return Err(Refusal::field("user", "must exist"));
    }
    if fields.required("current_state")? != "scheduled" {
        return Err(invalid("current_state"));
    }
    let mut task = Task {
        id: call.team.mint(call.now),
        user_id: user,
        creator_id: call.access.user_id.clone(),
        contact_id: None,
        account_id: None,
        contact: None,
        account: None,
        kind: String::new(),
        priority: "medium".to_owned(),
        status: "scheduled".to_owned(),
        title: None,
        note: None,
        created_at: call.now,
        due_at: None,
        completed_at: None,
        skipped_at: None,
        remind_at: None,
        updated_at: call.now,
        deleted: false,
    };
    apply(call, &fields, &mut task)?;
    call.team.attach_contact(&mut task, Some(&person));
    let id = task.id.clone();
    call.team.tasks.insert(task);
    if let Some(key) = key {
        let keys = &mut call.team.salesloft.task_keys;
        keys.insert(key.to_owned(), id.clone());
    }
    written::<Tasks>(call, call.created_status(), &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let task = Tasks::find(call.team, call.id);
    let mut task = task.cloned().ok_or_else(|| call.not_found())?;
    let fields = Fields::read(call);
    apply(call, &fields, &mut task)?;
    task.updated_at = call.now;
    call.team.tasks.edit(call.id, |known| *known = task);
    written::<Tasks>(call, 200, call.id)
}

fn apply(call: &Call<'_>, fields: &Fields, task: &mut Task) -> Result<(), Refusal> {
    for (name, value) in fields.iter() {
        match name {
            "subject" => task.title = text(name, value)?,
            "description" => task.note = text(name, value)?,
            "due_date" => {
                let due: NaiveDate = day(name, value)?;
                task.due_at = Some(due.and_time(NaiveTime::MIN).and_utc());
            }
            "remind_at" => {
                let at = text(name, value)?;
                let at = at.map(|at| instant(&at).ok_or_else(|| invalid(name)));
                task.remind_at = at.transpose()?;
            }
            "task_type" => {
                let given = fields.required(name)?;
                let known = TYPES.iter().find(|(_, known)| *known == given);
                let (kind, _) = known.ok_or_else(|| invalid(name))?;
                (*kind).clone_into(&mut task.kind);
            }
            "current_state" => match value.as_str() {
                Some("scheduled") => {}
                Some("completed") => {
                    task.completed_at = task.completed_at.or(Some(call.now));
                    "completed".clone_into(&mut task.status);
                }
                _ => return Err(invalid(name)),
            },
            "person_id" | "user_id" | "idempotency_key" | "is_logged" => {}
            other => unknown(call, other)?,
        }
    }
    Ok(())
}
