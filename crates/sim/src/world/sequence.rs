//! A sequence that contacts can be added to. Its steps are in [`step`](super::step).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::step::Step;
use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a state of its own that the interface can turn on and off"
)]
pub(crate) struct Sequence {
    pub(crate) id: String,
    pub(crate) shuffle: i64,
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) archived: bool,
    /// Not shared.
    pub(crate) private: bool,
    /// Deleted completely; no public call does this, but the interface can.
    pub(crate) deleted: bool,
    /// Statistics that are computed on first sight: this many further reads show `"loading"`.
    pub(crate) loading_reads: u32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// When it was last activated.
    pub(crate) enabled_at: Option<DateTime<Utc>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) user_id: Option<String>,
    pub(crate) schedule_id: String,
    pub(crate) ruleset_id: String,
    pub(crate) label_ids: Vec<String>,
    pub(crate) stats: [u32; 10],
    /// Further attributes of the dialect, by name.
    pub(crate) extras: BTreeMap<String, Value>,
    /// Sorted by position.
    pub(crate) steps: Vec<Step>,
}

impl Row for Sequence {
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
            Order::Created | Order::Updated => self.created_at.timestamp_millis(),
            _ => self.shuffle,
        }
    }
}
