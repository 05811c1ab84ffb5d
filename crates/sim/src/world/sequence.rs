//! A sequence (`emailer_campaign` in the API). Its steps are in [`step`](super::step).

use chrono::{DateTime, Utc};

use super::step::{Step, Template};
use super::table::{Order, Row};
use crate::json::Object;

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
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) user_id: Option<String>,
    pub(crate) schedule_id: String,
    pub(crate) ruleset_id: String,
    pub(crate) label_ids: Vec<String>,
    pub(crate) stats: [u32; 10],
    /// Sorted by position.
    pub(crate) steps: Vec<Step>,
}

const COUNTS: [&str; 10] = [
    "unique_scheduled",
    "unique_delivered",
    "unique_bounced",
    "unique_opened",
    "unique_hard_bounced",
    "unique_spam_blocked",
    "unique_replied",
    "unique_demoed",
    "unique_clicked",
    "unique_unsubscribed",
];

/// Each rate with the index of its count.
const RATES: [(&str, usize); 8] = [
    ("bounce_rate", 2),
    ("hard_bounce_rate", 4),
    ("open_rate", 3),
    ("click_rate", 8),
    ("reply_rate", 6),
    ("spam_block_rate", 5),
    ("opt_out_rate", 9),
    ("demo_rate", 7),
];

impl Sequence {
    pub(crate) fn render(&self, loading: bool) -> String {
        let mut o = Object::with_capacity(2048);
        o.text("id", &self.id)
            .text("name", &self.name)
            .flag("archived", self.archived)
            .zulu("created_at", self.created_at)
            .text("emailer_schedule_id", &self.schedule_id)
            .null("max_emails_per_day")
            .maybe("user_id", self.user_id.as_deref())
            .splice(concat!(
                r#""same_account_reply_policy_cd":null,"excluded_account_stage_ids":[],"#,
                r#""excluded_contact_stage_ids":[],"contact_email_event_to_stage_mapping":{}"#
            ))
            .texts("label_ids", &self.label_ids)
            .splice(concat!(
                r#""create_task_if_email_open":false,"email_open_trigger_task_threshold":3,"#,
                r#""mark_finished_if_click":false"#
            ))
            .flag("active", self.active)
            .splice(concat!(
                r#""days_to_wait_before_mark_as_response":5,"starred_by_user_ids":[],"mark_finished_if_reply":true,"#,
                r#""mark_finished_if_interested":true,"mark_paused_if_ooo":true,"sequence_by_exact_daytime":null"#
            ))
            .offset("last_used_at", self.last_used_at)
            .text("sequence_ruleset_id", &self.ruleset_id)
            .splice(concat!(
                r#""folder_id":null,"same_account_reply_delay_days":30,"is_performing_poorly":false,"#,
                r#""num_contacts_email_status_extrapolated":0,"remind_ab_test_results":false,"#,
                r#""ab_test_step_ids":[],"prioritized_by_user":null,"creation_type":"new""#
            ))
            .number("num_steps", self.steps.len());
        for (name, count) in COUNTS.iter().zip(self.stats) {
            if loading {
                o.text(name, "loading");
            } else {
                o.number(name, count);
            }
        }
        for (name, of) in RATES {
            if loading {
                o.text(name, "loading");
            } else {
                o.number(name, self.rate(of));
            }
        }
        o.splice(r#""loaded_stats":true,"cc_emails":"","bcc_emails":"","underperforming_touches_count":0"#)
            .raw("sharing_permission", &self.sharing());
        o.finish()
    }

    /// The few keys in answers to writes.
    pub(crate) fn brief(&self) -> String {
        let mut o = Object::new();
        o.text("id", &self.id)
            .text("name", &self.name)
            .flag("archived", self.archived)
            .zulu("created_at", self.created_at)
            .text("emailer_schedule_id", &self.schedule_id)
            .null("max_emails_per_day")
            .maybe("user_id", self.user_id.as_deref())
            .flag("active", self.active)
            .flag("loaded_stats", true);
        o.finish()
    }

    pub(crate) fn steps_json(&self) -> Vec<String> {
        let steps = self.steps.iter();
        steps.map(|step| step.render(&self.id)).collect()
    }

    pub(crate) fn touches_json(&self) -> Vec<String> {
        let touches = self
            .steps
            .iter()
            .filter_map(|step| Some((step, step.touch.as_ref()?)));
        touches
            .map(|(step, touch)| touch.render(&step.id))
            .collect()
    }

    pub(crate) fn templates_json(&self) -> Vec<String> {
        let touches = self.steps.iter().filter_map(|step| step.touch.as_ref());
        let mut templates: Vec<&Template> = Vec::new();
        for touch in touches {
            // Two touches can share a template.
            if templates.iter().all(|known| known.id != touch.template.id) {
                templates.push(&touch.template);
            }
        }
        templates.into_iter().map(Template::render).collect()
    }

    fn rate(&self, of: usize) -> f64 {
        let [_, delivered, ..] = self.stats;
        let count = self.stats.get(of).copied().unwrap_or(0);
        if delivered == 0 {
            return 0.0;
        }
        (f64::from(count) / f64::from(delivered) * 10_000.0).round() / 10_000.0
    }

    fn sharing(&self) -> String {
        let mut o = Object::new();
        if self.private {
            o.splice(r#""visibility":"private","access_type":null"#);
        } else {
            o.splice(r#""visibility":"everyone","access_type":"can_view""#);
        }
        o.text("object_type", "EmailerCampaign")
            .text("object_id", &self.id)
            .flag("is_owner", true)
            .maybe("owner_id", self.user_id.as_deref())
            .splice(r#""sharing_accesses":[]"#);
        o.finish()
    }
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

    fn json(&self) -> String {
        self.render(false)
    }
}
