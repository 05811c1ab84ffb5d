//! `tasks/*`.

use chrono::{DateTime, Utc};

use super::Call;
use super::contacts_write::time;
use super::page::{around, cut};
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::table::Order;
use crate::world::task::Task;

const SORT_FIELDS: &[(&str, Order)] = &[
    ("task_due_at", Order::Due),
    ("task_priority", Order::Priority),
];

const DELETED: &str = "This task has been deleted. Please refresh your page.";

pub(crate) fn search(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ask = call.page(10)?;
    let (order, ascending) = call.sorting(SORT_FIELDS)?;
    let positions = call.team.tasks.ordered(order);
    let page = cut(
        &mut call.team.tasks,
        &positions,
        ascending,
        ask,
        call.distortion,
    );
    let after = format!(
        concat!(
            r#"],"breadcrumbs":[],"pagination":{},"faceting":{{"playbook_step_facets":[],"#,
            r#""person_function_facets":[],"person_seniority_facets":[]}},"pipeline_total":0,"num_fetch_result":null}}"#
        ),
        page.pagination
    );
    Ok(around(r#"{"tasks":["#, &page.rows, &after))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (Some(user_id), Some(kind)) = (call.params.text("user_id"), call.params.text("type"))
    else {
        return Err(Refusal::invalid("type and user can not be blank"));
    };
    let mut task = Task {
        id: call.team.mint(call.now),
        user_id,
        creator_id: call.team.caller_id().unwrap_or_default(),
        contact_id: None,
        account_id: None,
        contact: None,
        account: None,
        kind,
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
    apply(call, &mut task)?;
    let mut team = Object::new();
    team.text("id", &call.team.id);
    let mut o = Object::with_capacity(2048);
    o.raw("task", &task.render()).raw("team", &team.finish());
    call.team.tasks.insert(task);
    Ok(Answer::one(o.finish()))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut task = find(call, DELETED)?.clone();
    apply(call, &mut task)?;
    call.team.tasks.edit(call.id, |row| *row = task);
    show(call)
}

/// Applies the parameters of the call.
fn apply(call: &Call<'_>, task: &mut Task) -> Result<(), Refusal> {
    let params = call.params;
    let set = |field: &mut String, name: &str| {
        if let Some(text) = params.text(name) {
            *field = text;
        }
    };
    set(&mut task.user_id, "user_id");
    set(&mut task.kind, "type");
    set(&mut task.priority, "priority");
    set(&mut task.status, "status");
    if !call.team.has_user(&task.user_id) {
        return Err(Refusal::invalid_id(&task.user_id));
    }
    let given = |name: &str| params.has(name).then(|| params.text(name));
    if let Some(title) = given("title") {
        task.title = title;
    }
    if let Some(note) = given("note") {
        task.note = note;
    }
    if let Some(due_at) = given("due_at") {
        task.due_at = due_at.as_deref().and_then(time);
    }
    if let Some(id) = params.text("contact_id") {
        if call.team.live_contact(&id).is_err() {
            return Err(Refusal::invalid_id(&id));
        }
        call.team.attach_contact(task, Some(&id));
    }
    // A task can be created as done already.
    let (done, skipped) = (task.status == "completed", task.status == "skipped");
    task.completed_at = done.then(|| task.completed_at.unwrap_or(call.now));
    task.skipped_at = skipped.then(|| task.skipped_at.unwrap_or(call.now));
    Ok(())
}

pub(crate) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let task = find(
        call,
        "This task or emailer message has been deleted. Please refresh your page.",
    )?;
    Ok(Answer::one(format!(r#"{{"task":{}}}"#, task.render())))
}

pub(crate) fn complete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    close(call, |task, now| {
        "completed".clone_into(&mut task.status);
        task.completed_at = Some(now);
    })
}

pub(crate) fn skip(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    close(call, |task, now| {
        "skipped".clone_into(&mut task.status);
        task.skipped_at = Some(now);
    })
}

fn close(
    call: &mut Call<'_>,
    end: impl FnOnce(&mut Task, DateTime<Utc>),
) -> Result<Answer, Refusal> {
    if !find(call, DELETED)?.is_open() {
        return Err(Refusal::json(
            422,
            r#"{"error":"This task is already completed / skipped.","allow_moving_to_next_task":true}"#.to_owned(),
        ));
    }
    let now = call.now;
    call.team.tasks.edit(call.id, |task| end(task, now));
    show(call)
}

/// The task of the path, or a refusal with this text.
fn find<'c>(call: &'c Call<'_>, missing: &str) -> Result<&'c Task, Refusal> {
    let task = call.team.tasks.get(call.id);
    task.ok_or_else(|| Refusal::invalid(missing))
}
