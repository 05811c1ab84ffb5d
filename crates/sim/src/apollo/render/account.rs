//! Rendering of accounts.

use super::contact::{fields_json, source_display_name};
use crate::json::Object;
use crate::world::account::{Account, AccountBrief};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Search,
    Show,
    Written,
}

impl Account {
    pub(crate) fn sanitized_phone(&self) -> Option<String> {
        let raw = self.phone.as_deref()?;
        let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
        let prefix = if raw.starts_with('+') { "+" } else { "+1" };
        Some(format!("{prefix}{digits}"))
    }

    pub(crate) fn render(&self, view: View) -> String {
        let mut o = Object::with_capacity(1536);
        if let Some(address) = &self.address {
            o.text("raw_address", &address.raw);
            if let Some((street, [city, state, country, _, code])) = &address.parts {
                o.text("street_address", street)
                    .text("city", city)
                    .text("state", state)
                    .text("country", country)
                    .text("postal_code", code);
            }
        }
        self.render_core(&mut o);
        if view == View::Show {
            o.null("engagement_graph");
        }
        if let Some(phone) = self.sanitized_phone() {
            o.text("sanitized_phone", &phone);
        }
        o.splice(r#""account_playbook_statuses":[],"existence_level":"full""#)
            .texts("label_ids", &self.label_ids)
            .raw("typed_custom_fields", &fields_json(&self.custom_fields))
            .splice(r#""custom_field_errors":{},"modality":"account""#)
            .text("source_display_name", source_display_name(self.source))
            .null("crm_record_url");
        if view != View::Written {
            o.splice(r#""contact_emailer_campaign_ids":[],"contact_campaign_status_tally":{}"#)
                .number("num_contacts", self.num_contacts);
            if self.last_activity.is_some() {
                o.offset("last_activity_date", self.last_activity);
            }
        }
        o.splice(concat!(
            r#""twitter_url":null,"facebook_url":null,"intent_strength":null,"show_intent":false,"#,
            r#""organization_headcount_six_month_growth":null,"organization_headcount_twelve_month_growth":null,"#,
            r#""organization_headcount_twenty_four_month_growth":null"#
        ));
        if view == View::Show {
            o.splice(r#""account_queues":[],"disable_flag":true"#);
        }
        o.finish()
    }

    fn render_core(&self, o: &mut Object) {
        o.text("id", &self.id)
            .maybe("domain", self.domain.as_deref())
            .text("name", &self.name)
            .text("team_id", &self.team_id)
            .maybe("organization_id", self.organization_id.as_deref())
            .maybe("account_stage_id", self.stage_id.as_deref())
            .text("source", self.source)
            .text("original_source", self.source)
            .maybe("creator_id", self.creator_id.as_deref())
            .maybe("owner_id", self.owner_id.as_deref())
            .zulu("created_at", self.created_at)
            .maybe("phone", self.phone.as_deref())
            .splice(concat!(
                r#""phone_status":"no_status","hubspot_id":null,"salesforce_id":null,"crm_owner_id":null,"#,
                r#""parent_account_id":null,"linkedin_url":null,"suggested_from_rule_engine_config_id":null,"#,
                r#""godmode_apollo_creator":null"#
            ));
    }
}

impl AccountBrief {
    /// The shorter form within contacts.
    pub(super) fn embedded(&self) -> String {
        let mut o = Object::with_capacity(768);
        o.text("id", &self.id)
            .text("name", &self.name)
            .maybe("domain", self.domain.as_deref())
            .text("team_id", &self.team_id)
            .maybe("organization_id", self.organization_id.as_deref())
            .maybe("account_stage_id", self.stage_id.as_deref())
            .text("source", self.source)
            .text("original_source", self.source)
            .maybe("owner_id", self.owner_id.as_deref())
            .zulu("created_at", self.created_at)
            .maybe("phone", self.phone.as_deref())
            .splice(r#""phone_status":"no_status","existence_level":"full","modality":"account""#);
        o.finish()
    }

    /// The even shorter form within tasks.
    pub(super) fn in_task(&self) -> String {
        let mut o = Object::new();
        o.text("id", &self.id)
            .text("name", &self.name)
            .maybe("domain", self.domain.as_deref())
            .text("team_id", &self.team_id)
            .maybe("organization_id", self.organization_id.as_deref())
            .maybe("owner_id", self.owner_id.as_deref())
            .zulu("created_at", self.created_at)
            .maybe("phone", self.phone.as_deref())
            .splice(r#""phone_status":"no_status","linkedin_url":null"#);
        o.finish()
    }
}
