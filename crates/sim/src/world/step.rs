//! The steps of a sequence; an e-mail step has a touch with a template.

use chrono::{DateTime, Utc};

use crate::json::Object;

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

impl Step {
    pub(crate) fn render(&self, sequence_id: &str) -> String {
        let mut o = Object::new();
        o.text("id", &self.id)
            .text("emailer_campaign_id", sequence_id)
            .number("position", self.position)
            .number("wait_time", self.wait_time)
            .text("type", self.kind)
            .text("wait_mode", self.wait_mode)
            .maybe("note", self.note.as_deref())
            .null("max_emails_per_day")
            .offset("exact_datetime", self.exact_datetime)
            .splice(concat!(
                r#""priority":null,"auto_skip_in_x_days":null,"#,
                r#""counts":{"active":0,"paused":0,"finished":0,"bounced":0,"spam_blocked":0,"hard_bounced":0,"#,
                r#""not_sent":0},"ab_test_details":{}"#
            ));
        o.finish()
    }
}

impl Touch {
    pub(crate) fn render(&self, step_id: &str) -> String {
        let mut o = Object::new();
        let kind = if self.opens_thread {
            "new_thread"
        } else {
            "reply_to_thread"
        };
        o.text("id", &self.id)
            .text("emailer_step_id", step_id)
            .text("emailer_template_id", &self.template.id)
            .text("status", "approved")
            .text("type", kind)
            .flag("include_signature", true);
        o.finish()
    }
}

impl Template {
    pub(crate) fn render(&self) -> String {
        let body_text = self.body_html.as_deref().map(without_tags);
        let mut o = Object::new();
        o.text("id", &self.id)
            .null("name")
            .maybe("subject", self.subject.as_deref())
            .flag("archived", false)
            .maybe("body_html", self.body_html.as_deref())
            .maybe("body_text", body_text.as_deref())
            .text("creation_type", "new");
        o.finish()
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
