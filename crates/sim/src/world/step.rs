//! The steps of a sequence; an e-mail step has a touch with a template.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) id: String,
    /// From 1, unique within a sequence.
    pub(crate) position: usize,
    pub(crate) kind: &'static str,
    pub(crate) wait_time: i64,
    pub(crate) wait_mode: &'static str,
    pub(crate) exact_datetime: Option<DateTime<Utc>>,
    pub(crate) note: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Further attributes of the dialect, by name.
    pub(crate) extras: BTreeMap<String, Value>,
    /// The variants of the step's e-mail.
    pub(crate) touches: Vec<Touch>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Touch {
    pub(crate) id: String,
    pub(crate) template_id: String,
    pub(crate) opens_thread: bool,
    pub(crate) enabled: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// The content of an e-mail; both parts are missing until they are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) owner_id: Option<String>,
    pub(crate) private: bool,
    pub(crate) label_ids: Vec<String>,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) deleted: bool,
    pub(crate) extras: BTreeMap<String, Value>,
    pub(crate) subject: Option<String>,
    pub(crate) body_html: Option<String>,
}

/// The types of steps.
pub(crate) const KINDS: [&str; 8] = [
    "auto_email",
    "manual_email",
    "call",
    "action_item",
    "linkedin_step_message",
    "linkedin_step_connect",
    "linkedin_step_view_profile",
    "linkedin_step_interact_post",
];

/// The units of a step's waiting time.
pub(crate) const WAIT_MODES: [&str; 4] = ["second", "minute", "hour", "day"];

impl Step {
    /// A step is, unless told otherwise.
    pub(crate) fn is_enabled(&self) -> bool {
        let told = self.extras.get("enabled").and_then(Value::as_bool);
        told.unwrap_or(true)
    }

    /// `wait_mode` in seconds.
    pub(crate) fn wait_unit(&self) -> i64 {
        match self.wait_mode {
            "second" => 1,
            "minute" => 60,
            "hour" => 3_600,
            _ => 86_400,
        }
    }
}

impl Template {
    /// An empty template.
    pub(crate) fn blank(id: String, created_at: DateTime<Utc>) -> Self {
        Self {
            id,
            name: None,
            owner_id: None,
            private: false,
            label_ids: Vec::new(),
            archived_at: None,
            created_at,
            updated_at: created_at,
            deleted: false,
            extras: BTreeMap::new(),
            subject: None,
            body_html: None,
        }
    }

    pub(crate) fn body_text(&self) -> Option<String> {
        self.body_html.as_deref().map(without_tags)
    }
}

impl Row for Template {
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
            Order::Updated => self.updated_at.timestamp_millis(),
            _ => self.created_at.timestamp_millis(),
        }
    }
}

fn without_tags(html: &str) -> String {
    let mut inside = false;
    html.chars()
        .filter(|c| {
            let tag = inside || *c == '<';
            inside = tag && *c != '>';
            !tag
        })
        .collect()
}
