//! Tasks.

use bytes::Bytes;

use super::record::Record;
use super::resource::{Item, Resource, Schema, fs, to, to_by};
use super::value::{Kind, Value};
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
