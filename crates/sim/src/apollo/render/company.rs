//! Rendering of companies, as enrichment tells of them.

use crate::json::Object;
use crate::world::company::Company;

impl Company {
    pub(crate) fn render(&self) -> String {
        let website = self.domain.as_deref();
        let website = website.map(|domain| format!("http://www.{domain}"));
        let mut o = Object::with_capacity(1024);
        o.text("id", &self.id)
            .text("name", &self.name)
            .maybe("website_url", website.as_deref())
            .splice(concat!(
                r#""blog_url":null,"angellist_url":null,"linkedin_url":null,"twitter_url":null,"#,
                r#""facebook_url":null,"primary_phone":{},"languages":[],"alexa_ranking":null,"phone":null,"#,
                r#""linkedin_uid":null,"founded_year":null,"publicly_traded_symbol":null,"#,
                r#""publicly_traded_exchange":null,"logo_url":null,"crunchbase_url":null"#
            ))
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
        o.splice(
            r#""retail_location_count":0,"owned_by_organization_id":null,"short_description":null"#,
        );
        o.finish()
    }
}
