//! Generates tasks.

use chrono::{DateTime, TimeDelta, Utc};

use crate::world::Team;
use crate::world::task::Task;

const KINDS: &[&str] = &[
    "call",
    "outreach_manual_email",
    "linkedin_step_connect",
    "action_item",
];
const PRIORITIES: &[&str] = &["high", "medium", "low"];

impl Team {
    pub(super) fn add_generated_task(&mut self, start: DateTime<Utc>, epoch: DateTime<Utc>) {
        let created_at = self.dice.instant(start, epoch);
        let Some(user_id) = self.dice.pick(self.users.all()).map(|user| user.id.clone()) else {
            return;
        };
        let contact = self
            .dice
            .pick(self.contacts.all())
            .map(|contact| contact.id.clone());
        let kind = self.dice.word(KINDS).to_owned();
        let priority = self.dice.word(PRIORITIES).to_owned();
        let due = self.dice.between(1, 21);
        let done = self.dice.percent(30);
        let mut task = Task {
            id: self.mint(created_at),
            creator_id: user_id.clone(),
            user_id,
            contact_id: None,
            account_id: None,
            contact: None,
            account: None,
            kind,
            priority,
            status: if done { "completed" } else { "scheduled" }.to_owned(),
            title: None,
            note: self
                .dice
                .percent(40)
                .then(|| "Ask about the roll-out in the second plant".to_owned()),
            created_at,
            due_at: Some(created_at + TimeDelta::days(due)),
            completed_at: done.then(|| created_at + TimeDelta::days(due - 1)),
            skipped_at: None,
            remind_at: None,
            updated_at: if done {
                created_at + TimeDelta::days(due - 1)
            } else {
                created_at
            },
            deleted: false,
        };
        self.attach_contact(&mut task, contact.as_deref());
        self.tasks.insert(task);
    }
}
