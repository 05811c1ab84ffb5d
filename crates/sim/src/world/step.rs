//! The steps of a sequence; an e-mail step has a touch with a template.

use chrono::{DateTime, Utc};

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
    pub(crate) touch: Option<Touch>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Touch {
    pub(crate) id: String,
    pub(crate) template: Template,
    pub(crate) opens_thread: bool,
}

/// The content of an e-mail; both parts are missing until they are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    pub(crate) id: String,
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
