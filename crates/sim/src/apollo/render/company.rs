//! Rendering of companies, as enrichment tells of them.

use crate::json::Object;
use crate::world::company::{Company, Figures};
use crate::world::location::Location;

/// Fields of a company that the simulation knows nothing of.
const UNKNOWN: &str = concat!(
    r#""linkedin_uid":null,"founded_year":null,"publicly_traded_symbol":null,"#,
    r#""publicly_traded_exchange":null,"logo_url":null,"crunchbase_url":null"#
);

impl Company {
    pub(crate) fn render(&self) -> String {
        let mut o = Object::with_capacity(1024);
        o.text("id", &self.id)
            .text("name", &self.name)
            .maybe("website_url", self.website().as_deref())
            .splice(concat!(
                r#""blog_url":null,"angellist_url":null,"linkedin_url":null,"twitter_url":null,"#,
                r#""facebook_url":null"#
            ))
            .raw("primary_phone", &self.primary_phone())
            .splice(r#""languages":[],"alexa_ranking":null"#)
            .maybe("phone", self.phone.as_deref())
            .splice(UNKNOWN)
            .maybe("primary_domain", self.domain.as_deref());
        match &self.figures {
            Some(figures) => o
                .text("industry", figures.industry)
                .splice(r#""keywords":[]"#)
                .number("estimated_num_employees", figures.employees)
                .texts("industries", &[figures.industry])
                .text("annual_revenue_printed", &figures.printed_revenue())
                .number("annual_revenue", figures.revenue),
            None => o.splice(concat!(
                r#""industry":null,"keywords":[],"estimated_num_employees":null,"industries":[],"#,
                r#""annual_revenue_printed":null,"annual_revenue":null"#
            )),
        };
        o.number("retail_location_count", 0);
        if let Some(location) = &self.location {
            o.maybe("city", location.city.as_deref())
                .maybe("state", location.state.as_deref())
                .maybe("country", location.country.as_deref())
                .maybe("postal_code", location.postal_code.as_deref());
        }
        o.splice(r#""owned_by_organization_id":null,"short_description":null"#);
        o.finish()
    }

    /// The shorter form in searches, with names of its own for the revenue.
    pub(crate) fn render_found(&self) -> String {
        let revenue = self.figures.as_ref().map(Figures::printed_revenue);
        let mut o = Object::with_capacity(1024);
        o.text("id", &self.id)
            .text("name", &self.name)
            .maybe("website_url", self.website().as_deref())
            .splice(
                r#""angellist_url":null,"linkedin_url":null,"twitter_url":null,"facebook_url":null"#,
            )
            .raw("primary_phone", &self.primary_phone())
            .splice(r#""languages":[],"alexa_ranking":null"#)
            .maybe("phone", self.phone.as_deref())
            .splice(UNKNOWN)
            .maybe("primary_domain", self.domain.as_deref())
            .maybe("sanitized_phone", self.phone.as_deref())
            .null("owned_by_organization_id")
            .maybe("organization_revenue_printed", revenue.as_deref());
        match &self.figures {
            Some(figures) => o.number("organization_revenue", figures.revenue),
            None => o.null("organization_revenue"),
        };
        o.splice(concat!(
            r#""intent_strength":null,"show_intent":true,"has_intent_signal_account":false,"#,
            r#""intent_signal_account":null,"organization_headcount_six_month_growth":null,"#,
            r#""organization_headcount_twelve_month_growth":null,"#,
            r#""organization_headcount_twenty_four_month_growth":null"#
        ));
        o.finish()
    }

    fn website(&self) -> Option<String> {
        let domain = self.domain.as_deref()?;
        Some(format!("http://www.{domain}"))
    }

    fn primary_phone(&self) -> String {
        let mut o = Object::new();
        if let Some(phone) = &self.phone {
            o.text("number", phone)
                .text("source", "Scraped")
                .text("sanitized_number", phone);
        }
        o.finish()
    }

    /// What a search for people shows of their employers: the name, and what else is known.
    pub(super) fn render_hints(&self) -> String {
        let (figures, location) = (self.figures.is_some(), self.location.as_ref());
        let has = |part: fn(&Location) -> bool| location.is_some_and(part);
        let mut o = Object::new();
        o.text("name", &self.name)
            .flag("has_industry", figures)
            .flag("has_phone", self.phone.is_some())
            .flag("has_city", has(|location| location.city.is_some()))
            .flag("has_state", has(|location| location.state.is_some()))
            .flag("has_country", has(|location| location.country.is_some()))
            .flag(
                "has_zip_code",
                has(|location| location.postal_code.is_some()),
            )
            .flag("has_revenue", figures)
            .flag("has_employee_count", figures);
        o.finish()
    }
}
