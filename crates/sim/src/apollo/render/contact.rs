//! Rendering of contacts with their sequence states.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::Md5;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::json::Object;
use crate::world::contact::{Contact, Phone, State};
use crate::world::location::Location;

/// The endpoint that shows a contact; each shows a few additional keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Search,
    Show,
    Created,
    Written,
    /// One of several that were written in one call.
    WrittenInBulk,
}

impl Contact {
    pub(crate) fn render(&self, view: View) -> String {
        let mut o = Object::with_capacity(4096);
        o.splice(r#""contact_roles":[]"#)
            .text("id", &self.id)
            .maybe("first_name", self.first_name.as_deref())
            .maybe("last_name", self.last_name.as_deref())
            .text("name", &self.name())
            .maybe("linkedin_url", self.linkedin_url.as_deref())
            .maybe("title", self.title.as_deref())
            .maybe("contact_stage_id", self.stage_id.as_deref())
            .maybe("owner_id", self.owner_id.as_deref())
            .maybe("creator_id", self.creator_id.as_deref())
            .maybe("person_id", self.person_id.as_deref())
            .flag("email_needs_tickling", false)
            .maybe("organization_name", self.organization_name.as_deref())
            .text("source", self.source)
            .text("original_source", self.source)
            .maybe("organization_id", self.organization_id.as_deref())
            .maybe("headline", self.headline.as_deref())
            .null("photo_url")
            .maybe("present_raw_address", self.address.as_deref())
            .splice(concat!(
                r#""linkedin_uid":null,"extrapolated_email_confidence":null,"salesforce_id":null,"#,
                r#""salesforce_lead_id":null,"salesforce_contact_id":null,"salesforce_account_id":null,"#,
                r#""crm_owner_id":null"#
            ))
            .zulu("created_at", self.created_at);
        let sequences: Vec<&str> = self.states.iter().map(|s| s.sequence_id.as_str()).collect();
        o.texts("emailer_campaign_ids", &sequences)
            .splice(r#""direct_dial_status":null,"direct_dial_enrichment_failed_at":null"#)
            .maybe("email_status", self.email_status)
            .null("email_source")
            .maybe("account_id", self.account_id.as_deref())
            .offset("last_activity_date", self.last_activity)
            .splice(r#""hubspot_vid":null,"hubspot_company_id":null"#)
            .maybe("crm_id", self.crm_id.as_deref())
            .null("merged_crm_ids")
            .zulu("updated_at", self.updated_at)
            .splice(r#""queued_for_crm_push":null,"suggested_from_rule_engine_config_id":null"#)
            .maybe_flag("email_unsubscribed", self.unsubscribed)
            .null("person_deleted")
            .maybe_flag("call_opted_out", self.call_opted_out)
            .null("godmode_apollo_creator");
        self.render_reach(&mut o);
        if view != View::Written {
            let states: Vec<String> = self.states.iter().map(State::render).collect();
            o.list("contact_campaign_statuses", &states);
        }
        if let Some(account) = &self.account {
            o.raw("account", &account.embedded());
        }
        self.render_lists(&mut o);
        match view {
            View::Search => o.null("contact_job_change_event"),
            View::Show => {
                o.splice(r#""engagement_graph":null,"disable_flag":false,"next_contact_id":null"#)
            }
            View::Created | View::Written => o.null("next_contact_id"),
            View::WrittenInBulk => &mut o,
        };
        o.finish()
    }

    fn render_reach(&self, o: &mut Object) {
        let nowhere = Location::default();
        let location = self.location.as_ref().unwrap_or(&nowhere);
        let sanitized = self.phones.first().map(Phone::sanitized);
        o.maybe("sanitized_phone", sanitized.as_deref())
            .maybe("street_address", location.street.as_deref())
            .maybe("city", location.city.as_deref())
            .maybe("state", location.state.as_deref())
            .maybe("country", location.country.as_deref())
            .maybe("postal_code", location.postal_code.as_deref())
            .maybe("formatted_address", location.formatted().as_deref())
            .maybe("time_zone", location.time_zone)
            .texts("label_ids", &self.label_ids)
            .splice(concat!(
                r#""has_pending_email_arcgate_request":false,"has_email_arcgate_request":false,"#,
                r#""existence_level":"full""#
            ))
            .maybe("email", self.email())
            .flag("email_from_customer", true)
            .raw("typed_custom_fields", &fields_json(&self.custom_fields))
            .splice(concat!(
                r#""custom_field_errors":{},"crm_record_url":null,"email_status_unavailable_reason":null,"#,
                r#""email_true_status":"User Managed","updated_email_true_status":true"#
            ))
            .text("source_display_name", source_display_name(self.source))
            .splice(r#""twitter_url":null,"facebook_url":null"#);
    }

    fn render_lists(&self, o: &mut Object) {
        let emails: Vec<String> = self
            .emails
            .iter()
            .enumerate()
            .map(|(position, email)| email_json(&email.address, position, self.email_status))
            .collect();
        let phones: Vec<String> = self
            .phones
            .iter()
            .enumerate()
            .map(|(position, phone)| phone.render(position))
            .collect();
        o.list("contact_emails", &emails)
            .splice(r#""intent_strength":null,"show_intent":false"#)
            .list("phone_numbers", &phones)
            .splice(
                r#""account_phone_note":null,"free_domain":false,"email_domain_catchall":false"#,
            );
    }
}

impl Phone {
    /// `+1` and digits, Apollo's normal form.
    pub(crate) fn sanitized(&self) -> String {
        let digits: String = self.raw.chars().filter(char::is_ascii_digit).collect();
        if self.raw.trim_start().starts_with('+') {
            format!("+{digits}")
        } else {
            format!("+1{digits}")
        }
    }

    fn render(&self, position: usize) -> String {
        let mut o = Object::new();
        o.text("raw_number", &self.raw)
            .text("sanitized_number", &self.sanitized())
            .text("type", self.kind)
            .number("position", position)
            .splice(concat!(
                r#""status":"no_status","dnc_status":null,"dnc_other_info":{},"dialer_flags":null,"#,
                r#""source_name":"User Managed","vendor_validation_statuses":[],"third_party_vendor_name":null"#
            ));
        o.finish()
    }
}

impl State {
    pub(crate) fn render(&self) -> String {
        let mut o = Object::with_capacity(900);
        o.text("id", &self.id)
            .text("emailer_campaign_id", &self.sequence_id)
            .maybe("send_email_from_user_id", self.send_from_user.as_deref())
            .maybe("inactive_reason", self.inactive_reason.as_deref())
            .text("status", self.status.as_str())
            .offset("added_at", Some(self.added_at))
            .maybe("added_by_user_id", self.added_by.as_deref())
            .offset("finished_at", self.finished_at)
            .offset("paused_at", self.paused_at)
            .offset("auto_unpause_at", self.auto_unpause_at)
            .maybe(
                "send_email_from_email_address",
                self.mailbox_email.as_deref(),
            )
            .maybe(
                "send_email_from_email_account_id",
                self.mailbox_id.as_deref(),
            )
            .null("manually_set_unpause")
            .maybe("failure_reason", self.failure_reason)
            .maybe("current_step_id", self.step_id.as_deref())
            .splice(concat!(
                r#""in_response_to_emailer_message_id":null,"cc_emails":null,"bcc_emails":null,"#,
                r#""to_emails":null"#
            ));
        match self.step_position {
            Some(position) => o.number("current_step_position", position),
            None => o.null("current_step_position"),
        };
        o.finish()
    }
}

/// The interface's text for where a record came from.
pub(crate) fn source_display_name(source: &str) -> &'static str {
    match source {
        "csv_import" => "Uploaded from CSV",
        "chrome_extension" => "Requested from Chrome extension",
        "crm" => "Imported from CRM",
        _ => "Created from API",
    }
}

pub(crate) fn fields_json(fields: &BTreeMap<String, Value>) -> String {
    let mut o = Object::new();
    for (id, value) in fields {
        o.raw(id, &value.to_string());
    }
    o.finish()
}

fn email_json(email: &str, position: usize, status: Option<&str>) -> String {
    let mut o = Object::with_capacity(512);
    o.text("email_md5", &hex(&Md5::digest(email.as_bytes())))
        .text("email_sha256", &hex(&Sha256::digest(email.as_bytes())))
        .maybe("email_status", status)
        .null("extrapolated_email_confidence")
        .number("position", position)
        .text("email", email)
        .splice(concat!(
            r#""free_domain":false,"source":"User Managed","third_party_vendor_name":null,"#,
            r#""vendor_validation_statuses":[],"email_needs_tickling":false,"#,
            r#""email_true_status":"User Managed","email_status_unavailable_reason":null"#
        ));
    o.finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
