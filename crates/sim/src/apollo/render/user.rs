//! Rendering of users.

use crate::json::Object;
use crate::world::user::User;

impl User {
    pub(super) fn render(&self) -> String {
        let mut o = Object::with_capacity(5120);
        o.text("id", &self.id)
            .text("team_id", &self.team_id)
            .maybe("first_name", self.first_name.as_deref())
            .maybe("last_name", self.last_name.as_deref())
            .maybe("title", self.title.as_deref())
            .text("email", &self.email)
            .zulu("created_at", self.created_at)
            .splice(concat!(
                r#""credit_limit":null,"direct_dial_credit_limit":null,"export_credit_limit":null,"#,
                r#""ai_credit_limit":null,"salesforce_account":null"#
            ))
            .flag("deleted", self.deleted)
            .text("opt_out_html_template", "No longer interested in these messages? <%Unsubscribe%>")
            .text("name", &self.name())
            .splice(concat!(
                r#""password_needs_reset":false,"salesforce_id":null,"default_cockpit_layout":null,"#,
                r#""default_account_overview_layout_id":null,"default_contact_overview_layout_id":null,"#,
                r#""default_person_overview_layout_id":null,"default_organization_overview_layout_id":null,"#,
                r#""default_opportunity_overview_layout_id":null,"default_home_overview_layout_id":null,"#,
                r#""bridge_calls":false,"bridge_phone_number":null,"bridge_incoming_calls":false,"#,
                r#""bridge_incoming_phone_number":null"#
            ))
            .flag("current_email_verified", self.first_name.is_some())
            .splice(r#""record_calls":true,"salesforce_instance_url":null"#)
            .text("permission_set_id", &self.permission_set_id)
            .splice(concat!(
                r#""default_use_local_numbers":false,"disable_email_linking":null,"sync_salesforce_id":null,"#,
                r#""sync_crm_id":null,"chrome_extension_downloaded":false,"zp_is_super_analytics_user":null,"#,
                r#""email_oauth_signin_only":false,"notification_last_created_at":null,"#,
                r#""crm_requested_to_integrate":null,"has_invited_user":false,"has_used_enrichment":false,"#,
                r#""has_uploaded_csv":false,"has_hidden_onboarding":false,"notification_last_read_at":null,"#,
                r#""daily_data_request_email":false,"data_request_emails":true,"daily_task_email":true,"#,
                r#""free_data_credits_email":true,"dismiss_new_team_suggestion":true,"#,
                r#""request_email_change_to":null,"self_identified_persona":null,"territory_is_active":true,"#,
                r#""conversation_is_private":null,"show_deals_detail_page_updates_modal":true"#
            ))
            .raw("assistant_setting", &self.assistant())
            .splice(concat!(
                r#""fields_fully_loaded":true,"typed_custom_fields":null,"connected_to_slack":false,"#,
                r#""crm_email":null,"triggered_referral_campaigns":[],"enable_click_tracking":false,"#,
                r#""enable_open_tracking":true,"should_include_unsubscribe_link":false,"#,
                r#""enable_one_click_unsubscribe":null,"subteam_ids":[],"prospect_territory_ids":[],"#,
                r#""toggled_on_territory_ids":[],"linked_salesforce":null,"linked_zoom_conference_account":false,"#,
                r#""linked_bot_conference_account":false,"linked_bot_conference_account_platforms":[],"#,
                r#""has_conference_account":false,"linked_hubspot":false,"linked_salesloft":false,"#,
                r#""linked_crm_name":null,"chrome_extension_enabled_features":["apollo_everywhere","gmail"],"#,
                r#""chrome_extension_exclude_from_websites":[],"enable_desktop_notifications":false,"#,
                r#""enable_gmail_desktop_notifications":null,"default_chrome_extension_enable_reminders":false,"#,
                r#""show_chrome_extension_buying_intent_promo":true,"apollo_everywhere_search_count":0"#
            ));
        o.finish()
    }

    fn assistant(&self) -> String {
        let mut o = Object::new();
        o.text("_id", &self.assistant_id)
            .splice(concat!(
                r#""deal_size_metric":"amount","inactive_account_stage_ids":[],"inactive_contact_stage_ids":[],"#,
                r#""is_persona_recommendation_requested":false,"latest_funding_days":90,"max_num_active_accounts":100,"#,
                r#""max_people_in_sequence_per_account":5,"num_inactive_days_to_re_engage":180,"persona_ids":[]"#
            ))
            .text("team_id", &self.team_id)
            .text("user_id", &self.id)
            .text("id", &self.assistant_id)
            .text("key", &self.assistant_id);
        o.finish()
    }
}
