//! A user of the team.

use chrono::{DateTime, Utc};

use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) team_id: String,
    /// Both names are missing until an invited user signs in.
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) email: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) signed_in_at: Option<DateTime<Utc>>,
    pub(crate) permission_set_id: String,
    pub(crate) assistant_id: String,
    /// A locked user is still listed.
    pub(crate) locked: bool,
    /// A deleted user is still listed, marked as such.
    pub(crate) deleted: bool,
    /// Also no longer listed.
    pub(crate) removed: bool,
}

impl User {
    pub(crate) fn name(&self) -> String {
        let parts = [self.first_name.as_deref(), self.last_name.as_deref()];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        parts.join(" ")
    }
}

impl Row for User {
    fn id(&self) -> &str {
        &self.id
    }

    fn listed(&self) -> bool {
        !self.removed
    }

    fn live(&self) -> bool {
        !self.removed && !self.deleted
    }

    fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    fn rank(&self, _: Order) -> i64 {
        self.created_at.timestamp_millis()
    }
}
