//! Rendering of people, as enrichment tells of them.

use crate::json::Object;
use crate::world::location::Location;
use crate::world::person::Person;

impl Person {
    pub(crate) fn render(&self) -> String {
        self.render_with(true)
    }

    /// Without the address and its status, which come later.
    pub(crate) fn render_without_email(&self) -> String {
        self.render_with(false)
    }

    fn render_with(&self, emails: bool) -> String {
        let location = self.location.as_ref();
        let city = location.and_then(|location| location.city.as_deref());
        let state = location.and_then(|location| location.state.as_deref());
        let country = location.and_then(|location| location.country.as_deref());
        let organization_id = self.company.as_ref().map(|company| company.id.as_str());
        let mut o = Object::with_capacity(2048);
        o.text("id", &self.id)
            .maybe("first_name", self.first_name.as_deref())
            .maybe("last_name", self.last_name.as_deref())
            .text("name", &self.name())
            .maybe("linkedin_url", self.linkedin_url.as_deref())
            .maybe("title", self.title.as_deref());
        if emails {
            o.maybe("email_status", self.email_status);
        }
        o.splice(concat!(
            r#""photo_url":null,"twitter_url":null,"github_url":null,"facebook_url":null,"#,
            r#""extrapolated_email_confidence":null"#
        ))
        .maybe("headline", self.headline.as_deref());
        if emails {
            o.maybe("email", self.email.as_deref());
        }
        o.maybe("organization_id", organization_id)
            .splice(r#""employment_history":[]"#)
            .maybe("state", state)
            .maybe("city", city)
            .maybe("country", country);
        if let Some(contact_id) = &self.contact_id {
            o.text("contact_id", contact_id);
        }
        o.flag("revealed_for_current_team", true);
        if let Some(company) = &self.company {
            o.raw("organization", &company.render());
        }
        o.splice(concat!(
            r#""is_likely_to_engage":false,"intent_strength":null,"show_intent":false,"email_domain_catchall":false,"#,
            r#""departments":[],"subdepartments":[],"functions":[]"#
        ))
        .maybe("seniority", self.seniority);
        o.finish()
    }

    /// What a search shows, which is free: that there is an address, but not which.
    pub(crate) fn render_found(&self) -> String {
        let has = |part: fn(&Location) -> bool| self.location.as_ref().is_some_and(part);
        let last_name = self.last_name.as_deref().map(obfuscated);
        let direct_phone = if self.has_direct_phone {
            "Yes"
        } else {
            "Maybe: please request direct dial via people/bulk_match"
        };
        let mut o = Object::with_capacity(768);
        o.text("id", &self.id)
            .maybe("first_name", self.first_name.as_deref())
            .maybe("last_name_obfuscated", last_name.as_deref())
            .maybe("title", self.title.as_deref())
            .offset("last_refreshed_at", self.refreshed_at)
            .flag("has_email", self.email.is_some())
            .flag("has_city", has(|location| location.city.is_some()))
            .flag("has_state", has(|location| location.state.is_some()))
            .flag("has_country", has(|location| location.country.is_some()))
            .text("has_direct_phone", direct_phone);
        if let Some(company) = &self.company {
            o.raw("organization", &company.render_hints());
        }
        o.finish()
    }
}

/// A last name as free searches spell it: `Br***m`.
fn obfuscated(name: &str) -> String {
    let start: String = name.chars().take(2).collect();
    let end: String = name.chars().last().into_iter().collect();
    format!("{start}***{end}")
}
