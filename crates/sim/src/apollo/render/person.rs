//! Rendering of people, as enrichment tells of them.

use crate::json::Object;
use crate::world::person::Person;

impl Person {
    pub(crate) fn render(&self) -> String {
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
            .maybe("title", self.title.as_deref())
            .maybe("email_status", self.email_status)
            .splice(concat!(
                r#""photo_url":null,"twitter_url":null,"github_url":null,"facebook_url":null,"#,
                r#""extrapolated_email_confidence":null"#
            ))
            .maybe("headline", self.headline.as_deref())
            .maybe("email", self.email.as_deref())
            .maybe("organization_id", organization_id)
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
            r#""departments":[],"subdepartments":[],"functions":[],"seniority":null"#
        ));
        o.finish()
    }
}
