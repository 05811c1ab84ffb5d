//! Rendering of mailboxes.

use crate::json::Object;
use crate::world::mailbox::Mailbox;

impl Mailbox {
    fn score(&self) -> String {
        let mut o = Object::with_capacity(1024);
        o.text("_id", &self.score_id)
            .splice(concat!(
                r#""avg_click_rate":0,"avg_daily_sent":0,"avg_delivered_rate":0,"avg_hard_bounce_rate":0,"#,
                r#""avg_open_rate":0,"avg_reply_rate":0,"avg_spam_block_rate":0,"avg_unsubscribe_rate":0,"#,
                r#""concurrency_locks":null"#
            ))
            .zulu("created_at", self.created_at)
            .splice(r#""deliverability_score":0,"domain_health_score":5,"email_account_domain_age_score":5"#)
            .text("email_account_id", &self.id)
            .splice(concat!(
                r#""hard_bounce_score":0,"open_rate_score":0,"reply_rate_score":0,"spam_block_score":0,"#,
                r#""sum_delivered_count":0,"sum_opened_count":0,"sum_replied_count":0,"sum_sent_count":0"#
            ))
            .text("team_id", &self.team_id)
            .zulu("updated_at", self.created_at)
            .text("user_id", &self.user_id)
            .text("id", &self.score_id)
            .text("key", &self.score_id);
        o.finish()
    }

    pub(super) fn render(&self) -> String {
        let mut o = Object::with_capacity(3072);
        o.texts("aliases", std::slice::from_ref(&self.email))
            .text("id", &self.id)
            .text("user_id", &self.user_id)
            .text("email", &self.email)
            .text("type", self.kind.0)
            .flag("active", self.active)
            .flag("default", self.default)
            .number("seconds_delay_between_emails", 600)
            .text("provider_display_name", self.kind.1)
            .null("nylas_provider");
        // Absent for a mailbox that never finished its first synchronisation.
        if self.last_synced_at.is_some() {
            o.offset("last_synced_at", self.last_synced_at);
        }
        o.splice(concat!(
            r#""email_sending_policy_cd":"default","sendgrid_api_user":null,"mailgun_domains":null,"#,
            r#""nylas_api_version":null,"signature_edit_disabled":false"#
        ))
        .offset("revoked_at", self.revoked_at)
        .maybe("inactive_reason", self.inactive_reason.as_deref())
        .zulu("created_at", self.created_at)
        .null("sendgrid_api_key_v3")
        .number("email_daily_threshold", self.daily_threshold)
        .raw("deliverability_score", &self.score())
        .splice(concat!(
            r#""max_outbound_emails_per_hour":6,"limits_editable":true,"is_opted_in_mailwarming":null,"#,
            r#""mailwarming_max":0,"mailwarming_to_send_daily":0,"mailwarming_to_send_incrementor":0,"#,
            r#""mailwarming_status":"never_started","mailwarming_eta":null,"mailwarming_subject_token":null,"#,
            r#""mailwarming_score":0,"mailwarming_score_banner":"start_warm_up_for_score","#,
            r#""mailwarming_on_weekdays_only":true,"true_warmup_enabled":false,"true_warmup_daily_limit":0,"#,
            r#""true_warmup_progress":0,"true_warmup_status":null,"active_campaigns_count":2,"#,
            r#""nudge_user_to_send_mails":true"#
        ))
        .text("signature_html", &self.signature)
        .flag("fields_fully_loaded", true);
        o.finish()
    }
}
