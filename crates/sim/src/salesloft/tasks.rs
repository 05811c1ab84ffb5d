//! Reading of tasks. Writing is in [`tasks_write`](super::tasks_write).

use bytes::Bytes;
use chrono::NaiveDate;

use super::Call;
use super::list::list;
use super::query::Query;
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::resource::{FilterList, Item, Kind, Resource};
use super::switches::TaskUpdates;
use super::value::Value;
use crate::world::Team;
use crate::world::table::Row as _;
use crate::world::task::Task;

/// The world's kinds of task with Salesloft's names; any other is `general`.
pub(super) const TYPES: [(&str, &str); 3] = [
    ("call", "call"),
    ("outreach_manual_email", "email"),
    ("action_item", "general"),
];

#[derive(Debug)]
pub(super) struct Tasks;

impl Resource for Tasks {
    type Row<'t> = &'t Task;

    const FILTERS: FilterList = &[
        ("ids", Kind::Id),
        ("user_id", Kind::Id),
        ("person_id", Kind::Id),
        ("account_id", Kind::Id),
        ("current_state", Kind::Text),
        ("task_type", Kind::Text),
        ("updated_at", Kind::Time),
        ("idempotency_key", Kind::Echo),
    ];
    const SORTS: &'static [&'static str] = &["due_date", "due_at", "updated_at"];
    const ASCENDS: bool = true;

    fn rows<'t>(team: &'t Team, query: &Query) -> impl Iterator<Item = &'t Task> {
        let key = query.text("idempotency_key");
        let only = key.map(|key| team.salesloft.task_keys.get(key));
        let tasks = team.tasks.seen();
        tasks.filter(move |task| only.is_none_or(|id| id == Some(&task.id)))
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Task> {
        team.tasks.get(id).filter(|task| task.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.tasks.json_of(id))
    }
}

/// The filter and the order by `updated_at` are undocumented.
pub(super) fn list_tasks(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let sorts = call.query.text("sort_by") == Some("updated_at");
    let filters = !call.query.family("updated_at").is_empty();
    match call.team.salesloft.switches.task_updates {
        TaskUpdates::Refused if sorts => Err(Refusal::field("sort_by", "is invalid")),
        TaskUpdates::Refused if filters => Err(Refusal::field("updated_at", "is invalid")),
        TaskUpdates::Ignored => {
            let mut query = call.query.without_family("updated_at");
            if sorts {
                query = query.without("sort_by").without("sort_direction");
            }
            list::<Tasks>(&mut Call {
                query: &query,
                team: &mut *call.team,
                ..*call
            })
        }
        _ => list::<Tasks>(call),
    }
}

impl<'t> Item<'t> for &'t Task {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "user_id" => Value::id(Some(&self.user_id)),
            "person_id" => Value::id(self.contact_id.as_deref()),
            "account_id" => Value::id(self.account_id.as_deref()),
            "current_state" => Value::text(Some(state(self))),
            "task_type" => Value::text(Some(task_type(self))),
            "updated_at" => Value::Time(self.updated_at),
            "due_date" | "due_at" => Value::time(self.due_at),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        let completer = self.completed_at.map(|_| self.user_id.as_str());
        let due_date = due_date(self).map(|day| day.to_string());
        let subject = match (&self.title, task_type(self)) {
            (Some(title), _) => title,
            (None, "call") => "Call",
            (None, "email") => "Write an e-mail",
            (None, _) => "To do",
        };
        record
            .time("created_at", self.created_at)
            .time("updated_at", self.updated_at)
            .text("subject", subject)
            .maybe("description", self.note.as_deref())
            .text("task_type", task_type(self))
            .text("current_state", state(self))
            .maybe("due_date", due_date.as_deref())
            .nulls(&["due_at", "expires_after"])
            .maybe_time("remind_at", self.remind_at)
            .maybe_time("completed_at", self.completed_at)
            .text("source", "salesloft.api")
            .raw("custom_attributes", "{}")
            .raw("object_references", "[]")
            .raw(
                "score",
                r#"{"score":"0.0","prioritizer_uuid":null,"factors":[]}"#,
            )
            .nulls(&["multitouch_group_id"])
            .refer("person", "people", self.contact_id.as_deref())
            .refer("user", "users", Some(&self.user_id))
            .refer("created_by_user", "users", Some(&self.creator_id))
            .refer("completed_by", "users", completer);
    }
}

/// A task is due on a day, not at a time.
fn due_date(task: &Task) -> Option<NaiveDate> {
    task.due_at.map(|at| at.date_naive())
}

fn state(task: &Task) -> &'static str {
    if task.is_open() {
        "scheduled"
    } else {
        "completed"
    }
}

fn task_type(task: &Task) -> &'static str {
    let known = TYPES.iter().find(|(kind, _)| *kind == task.kind);
    known.map_or("general", |(_, name)| name)
}
