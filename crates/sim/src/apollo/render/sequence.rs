//! Rendering of sequences with their steps and templates.

use crate::json::Object;
use crate::world::sequence::Sequence;
use crate::world::step::{Step, Template, Touch};
use crate::world::table::Table;

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
        let steps = self.steps.iter();
        let touches = steps.flat_map(|step| {
            let touches = step.touches.iter();
            touches.map(|touch| touch.render(&step.id))
        });
        touches.collect()
    }

    /// Two touches can share a template.
    pub(crate) fn templates_json(&self, templates: &Table<Template>) -> Vec<String> {
        let mut ids: Vec<&str> = Vec::new();
        for touch in self.steps.iter().flat_map(|step| &step.touches) {
            if !ids.contains(&touch.template_id.as_str()) {
                ids.push(&touch.template_id);
            }
        }
        let templates = ids.into_iter().filter_map(|id| templates.get(id));
        templates.map(Template::render).collect()
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
            .text("emailer_template_id", &self.template_id)
            .text("status", "approved")
            .text("type", kind)
            .flag("include_signature", true);
        o.finish()
    }
}

impl Template {
    pub(crate) fn render(&self) -> String {
        let mut o = Object::new();
        o.text("id", &self.id)
            .null("name")
            .maybe("subject", self.subject.as_deref())
            .flag("archived", false)
            .maybe("body_html", self.body_html.as_deref())
            .maybe("body_text", self.body_text().as_deref())
            .text("creation_type", "new");
        o.finish()
    }
}
