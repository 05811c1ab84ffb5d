//! Tasks.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Call;
use super::accounts::Accounts;
use super::body::{Document, invalid, text};
use super::list::written;
use super::prospects::Prospects;
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::resource::{Item, Resource, Schema, fs, to, to_by};
use super::users::Users;
use super::value::{Kind, Value, instant};
use crate::world::Team;
use crate::world::table::Row as _;
use crate::world::task::Task;

/// The world's kinds of task with Outreach's names.
const ACTIONS: [(&str, &str); 4] = [
    ("call", "call"),
    ("outreach_manual_email", "email"),
    ("linkedin_step_connect", "linkedin_send_connection_request"),
    ("action_item", "action_item"),
];

#[derive(Debug)]
pub(super) struct Tasks;

impl Resource for Tasks {
    type Row<'t> = &'t Task;

    const SCHEMA: Schema = Schema {
        kind: "task",
        plural: "tasks",
        controller: "Tasks",
        fields: &[
            fs("autoskipAt", Kind::Time),
            fs("dueAt", Kind::Time),
            fs("createdAt", Kind::Time),
            fs("scheduledAt", Kind::Time),
            fs("stateChangedAt", Kind::Time),
            fs("updatedAt", Kind::Time),
            fs("state", Kind::Text),
            fs("taskType", Kind::Text),
        ],
        relations: &[
            to("account", "account"),
            to("completer", "user"),
            to_by("owner", "user", &["id", "email", "firstName"]),
            to_by(
                "prospect",
                "prospect",
                &["id", "createdAt", "firstName", "title", "updatedAt"],
            ),
        ],
    };

    fn rows(team: &Team) -> impl Iterator<Item = &Task> {
        team.tasks.seen()
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Task> {
        team.tasks.get(id).filter(|task| task.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.tasks.json_of(id))
    }
}

impl<'t> Item<'t> for &'t Task {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "dueAt" => Value::time(self.due_at),
            "createdAt" | "scheduledAt" => Value::Time(self.created_at),
            "stateChangedAt" => Value::time(self.completed_at),
            "updatedAt" => Value::Time(self.updated_at),
            "state" => Value::Text(state(self)),
            "taskType" => Value::Text("manual"),
            _ => Value::Null,
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        let id = match name {
            "account" => self.account_id.as_deref(),
            "completer" => self.completed_at.map(|_| self.user_id.as_str()),
            "owner" => Some(self.user_id.as_str()),
            "prospect" => self.contact_id.as_deref(),
            _ => None,
        };
        id.into_iter().collect()
    }

    fn write(self, record: &mut Record<'_>) {
        record
            .text("action", action(self))
            .nulls(&["autoskipAt", "compiledSequenceTemplateHtml"])
            .flag("completed", self.completed_at.is_some())
            .maybe_time("completedAt", self.completed_at)
            .time("createdAt", self.created_at)
            .maybe_time("dueAt", self.due_at)
            .maybe("note", self.note.as_deref())
            .nulls(&["opportunityAssociation", "scheduledAt"])
            .text("state", state(self))
            .maybe_time("stateChangedAt", self.completed_at)
            .text("taskType", "manual")
            .time("updatedAt", self.updated_at);
        let completer = self.completed_at.map(|_| self.user_id.as_str());
        let subject = match (&self.contact_id, &self.account_id) {
            (Some(prospect), _) => ("prospect", Some(prospect.as_str())),
            (None, account) => ("account", account.as_deref()),
        };
        for (name, kind) in [
            ("call", "call"),
            ("mailing", "mailing"),
            ("opportunity", "opportunity"),
            ("sequence", "sequence"),
            ("sequenceState", "sequenceState"),
            ("sequenceStep", "sequenceStep"),
            ("sequenceTemplate", "sequenceTemplate"),
            ("taskPriority", "taskPriority"),
            ("template", "template"),
        ] {
            record.relate_one(name, kind, None);
        }
        record
            .relate_one("account", "account", self.account_id.as_deref())
            .relate_one("completer", "user", completer)
            .relate_one("creator", "user", Some(&self.creator_id))
            .relate_one("owner", "user", Some(&self.user_id))
            .relate_one("prospect", "prospect", self.contact_id.as_deref())
            .relate_one("subject", subject.0, subject.1)
            .links_to(&[("calls", "calls"), ("mailings", "mailings")]);
    }
}

fn state(task: &Task) -> &'static str {
    if task.is_open() {
        "incomplete"
    } else {
        "complete"
    }
}

fn action(task: &Task) -> &str {
    let known = ACTIONS.iter().find(|(kind, _)| *kind == task.kind);
    known.map_or(task.kind.as_str(), |(_, action)| action)
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &Tasks::SCHEMA)?;
    let owner = document.user(call, "owner")?;
    let Some(owner) = owner else {
        return Err(Refusal::invalid("Owner can't be blank"));
    };
    let mut task = Task {
        id: call.team.mint(call.now),
        user_id: owner,
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
    apply(call, &document, &mut task)?;
    attach_subject(call, &document, &mut task)?;
    if task.kind.is_empty() {
        let detail = "Action can't be blank";
        return Err(Refusal::invalid_at("/data/attributes/action", detail));
    }
    let id = task.id.clone();
    call.team.tasks.insert(task);
    written::<Tasks>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut task = found(call)?;
    let document = Document::read(call, &Tasks::SCHEMA)?;
    apply(call, &document, &mut task)?;
    replace(call, task)
}

fn apply(call: &Call<'_>, document: &Document, task: &mut Task) -> Result<(), Refusal> {
    for (name, value) in document.attributes() {
        match name {
            "action" => {
                let action = text(name, value)?.unwrap_or_default();
                if !["action_item", "call", "email", "in_person"].contains(&action.as_str()) {
                    return Err(invalid(name));
                }
                let known = ACTIONS.iter().find(|(_, known)| *known == action);
                task.kind = known.map_or(action.clone(), |(kind, _)| (*kind).to_owned());
            }
            "note" => task.note = text(name, value)?,
            "dueAt" => task.due_at = time(name, text(name, value)?)?,
            "autoskipAt" | "opportunityAssociation" => {}
            other => document.refuse_unknown(call, other)?,
        }
    }
    for name in document.relationships() {
        match name {
            "owner" => {
                let owner = document.user(call, name)?;
                task.user_id = owner.ok_or_else(|| Refusal::invalid("Owner can't be blank"))?;
            }
            "subject" | "taskPriority" | "taskPurpose" | "taskTheme" => {}
            other => document.refuse_unknown(call, other)?,
        }
    }
    Ok(())
}

/// Sets the subject of a task: a prospect or an account.
fn attach_subject(call: &Call<'_>, document: &Document, task: &mut Task) -> Result<(), Refusal> {
    let Some(id) = document.to_one("subject")? else {
        return Err(Refusal::invalid("Subject can't be blank"));
    };
    if Prospects::find(call.team, &id).is_some() {
        call.team.attach_contact(task, Some(&id));
    } else if Accounts::find(call.team, &id).is_some() {
        task.account_id = Some(id);
    } else {
        let detail = format!("Could not find subject with ID '{id}'.");
        return Err(Refusal::invalid_at("/data/relationships/subject", &detail));
    }
    Ok(())
}

/// `actionParams[completionAction]` only affects tasks of sequences, so it is ignored.
pub(super) fn mark_complete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut task = found(call)?;
    if !task.is_open() {
        return Err(Refusal::invalid("Task is already complete"));
    }
    task.completed_at = Some(call.now);
    "completed".clone_into(&mut task.status);
    if let Some(note) = call.query.action("completionNote") {
        task.note = Some(note.to_owned());
    }
    replace(call, task)
}

/// Also for `snooze`.
pub(super) fn reschedule(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut task = found(call)?;
    task.due_at = time("dueAt", Some(required(call, "dueAt")?))?;
    replace(call, task)
}

pub(super) fn update_note(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut task = found(call)?;
    task.note = Some(required(call, "note")?);
    replace(call, task)
}

pub(super) fn reassign_owner(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut task = found(call)?;
    let owner = required(call, "ownerId")?;
    if Users::find(call.team, &owner).is_none() {
        return Err(Refusal::invalid("Owner is invalid"));
    }
    task.user_id = owner;
    replace(call, task)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    found(call)?;
    call.team.tasks.edit(call.id, |task| task.deleted = true);
    Ok(Answer::nothing())
}

fn found(call: &Call<'_>) -> Result<Task, Refusal> {
    let task = Tasks::find(call.team, call.id);
    let missing = || Refusal::no_such_record("task", call.id);
    task.cloned().ok_or_else(missing)
}

fn replace(call: &mut Call<'_>, mut task: Task) -> Result<Answer, Refusal> {
    task.updated_at = call.now;
    call.team.tasks.edit(call.id, |known| *known = task);
    written::<Tasks>(call, 200, call.id)
}

fn required(call: &Call<'_>, name: &str) -> Result<String, Refusal> {
    let given = call.query.action(name).map(str::to_owned);
    given.ok_or_else(|| Refusal::bad_request(&format!("Missing action parameter '{name}'.")))
}

fn time(name: &str, text: Option<String>) -> Result<Option<DateTime<Utc>>, Refusal> {
    let Some(text) = text else {
        return Ok(None);
    };
    instant(&text).map(Some).ok_or_else(|| invalid(name))
}
