//! A task: something that a user plans to do about a contact.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::account::AccountBrief;
use super::contact::ContactBrief;
use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) creator_id: String,
    pub(crate) contact_id: Option<String>,
    pub(crate) account_id: Option<String>,
    /// A short form of the contact, copied when the task was written.
    pub(crate) contact: Option<ContactBrief>,
    /// The same for the contact's account.
    pub(crate) account: Option<Arc<AccountBrief>>,
    pub(crate) kind: String,
    pub(crate) priority: String,
    pub(crate) status: String,
    pub(crate) title: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) skipped_at: Option<DateTime<Utc>>,
    pub(crate) remind_at: Option<DateTime<Utc>>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) deleted: bool,
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
        !self.deleted
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
}
