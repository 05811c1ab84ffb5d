//! `tasks/*`.

use chrono::{DateTime, Utc};

use super::Call;
use super::contacts_write::time;
use super::page::{around, cut};
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::table::{Order, Row as _};
use crate::world::task::Task;

const SORT_FIELDS: &[(&str, Order)] = &[
    ("task_due_at", Order::Due),
    ("task_priority", Order::Priority),
];

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
    if !call.team.has_user(&user_id) {
        return Err(Refusal::invalid_id(&user_id));
    }
    let mut task = Task {
        id: call.team.mint(call.now),
        user_id,
        creator_id: call.team.caller_id().unwrap_or_default(),
        contact_id: None,
        account_id: None,
        contact: None,
        account: None,
        kind,
        priority: call
            .params
            .text("priority")
            .unwrap_or_else(|| "medium".to_owned()),
        status: call
            .params
            .text("status")
            .unwrap_or_else(|| "scheduled".to_owned()),
        title: call.params.text("title"),
        note: call.params.text("note"),
        created_at: call.now,
        due_at: call.params.text("due_at").as_deref().and_then(time),
        completed_at: None,
        skipped_at: None,
    };
    call.team
        .attach_contact(&mut task, call.params.text("contact_id").as_deref());
    let mut team = Object::new();
    team.text("id", &call.team.id);
    let mut o = Object::with_capacity(2048);
    o.raw("task", &task.json()).raw("team", &team.finish());
    call.team.tasks.insert(task);
    Ok(Answer::one(o.finish()))
}

pub(crate) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let task = find(
        call,
        "This task or emailer message has been deleted. Please refresh your page.",
    )?;
    Ok(Answer::one(format!(r#"{{"task":{}}}"#, task.json())))
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
    if !find(
        call,
        "This task has been deleted. Please refresh your page.",
    )?
    .is_open()
    {
        return Err(Refusal::json(
            422,
            r#"{"error":"This task is already completed / skipped.","allow_moving_to_next_task":true}"#.to_owned(),
        ));
    }
    let now = call.now;
    call.team.tasks.edit(call.id, |task| end(task, now));
    show(call)
}

/// The task of the path, or a refusal in those words.
fn find<'c>(call: &'c Call<'_>, missing: &str) -> Result<&'c Task, Refusal> {
    let task = call.team.tasks.get(call.id);
    task.ok_or_else(|| Refusal::invalid(missing))
}
