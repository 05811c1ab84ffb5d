//! A task: something that a user plans to do about a contact.

use chrono::{DateTime, Utc};

use super::table::{Order, Row};
use crate::json::Object;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) creator_id: String,
    pub(crate) contact_id: Option<String>,
    pub(crate) account_id: Option<String>,
    /// A short form of the contact, copied when the task was written.
    pub(crate) contact: Option<String>,
    /// The same for the contact's account.
    pub(crate) account: Option<String>,
    pub(crate) kind: String,
    pub(crate) priority: String,
    pub(crate) status: String,
    pub(crate) title: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) skipped_at: Option<DateTime<Utc>>,
}

impl Task {
    pub(crate) fn is_open(&self) -> bool {
        self.completed_at.is_none() && self.skipped_at.is_none()
    }
}

impl Row for Task {
    fn id(&self) -> &str {
        &self.id
    }

    fn listed(&self) -> bool {
        true
    }

    fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    fn rank(&self, order: Order) -> i64 {
        match order {
            Order::Due => self.due_at.map_or(i64::MIN, |at| at.timestamp_millis()),
            Order::Priority => match self.priority.as_str() {
                "high" => 3,
                "medium" => 2,
                _ => 1,
            },
            _ => self.created_at.timestamp_millis(),
        }
    }

    fn json(&self) -> String {
        let mut o = Object::with_capacity(1024);
        o.null("emailer_campaign_id")
            .text("id", &self.id)
            .text("user_id", &self.user_id)
            .zulu("created_at", self.created_at)
            .offset("completed_at", self.completed_at)
            .maybe("note", self.note.as_deref())
            .offset("skipped_at", self.skipped_at)
            .offset("due_at", self.due_at)
            .text("type", &self.kind)
            .text("priority", &self.priority)
            .text("status", &self.status)
            .null("answered")
            .maybe("contact_id", self.contact_id.as_deref())
            .null("person_id")
            .maybe("account_id", self.account_id.as_deref())
            .splice(concat!(
                r#""organization_id":null,"persona_ids":[],"subject":null,"created_from":"zp_ui","#,
                r#""salesforce_type":null,"playbook_step_ids":[],"playbook_id":null,"#,
                r#""needs_playbook_autoprospecting":null,"starred_by_user_ids":[],"salesforce_id":null,"#,
                r#""hubspot_id":null,"opportunity_id":null"#
            ))
            .maybe("title", self.title.as_deref())
            .null("rule_config_id")
            .text("creator_id", &self.creator_id);
        if let Some(contact) = &self.contact {
            o.raw("contact", contact);
        }
        if let Some(account) = &self.account {
            o.raw("account", account);
        }
        o.finish()
    }
}
