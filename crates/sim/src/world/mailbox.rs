//! A mailbox that sequences send from.

use chrono::{DateTime, Utc};

use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mailbox {
    pub(crate) id: String,
    pub(crate) team_id: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    /// `gmail`, `office365` or `smtp`, with the interface's name for it.
    pub(crate) kind: (&'static str, &'static str),
    pub(crate) active: bool,
    pub(crate) default: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) last_synced_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) inactive_reason: Option<String>,
    pub(crate) daily_threshold: u32,
    pub(crate) score_id: String,
    pub(crate) signature: String,
    pub(crate) deleted: bool,
}

impl Row for Mailbox {
    fn id(&self) -> &str {
        &self.id
    }

    fn listed(&self) -> bool {
        !self.deleted
    }

    fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    fn rank(&self, _: Order) -> i64 {
        self.created_at.timestamp_millis()
    }
}
