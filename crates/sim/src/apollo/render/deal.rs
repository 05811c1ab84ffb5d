//! Rendering of deals, which Apollo's API calls opportunities, and of their stages.

use chrono::NaiveTime;

use super::contact::fields_json;
use crate::json::Object;
use crate::world::deal::{Deal, DealStage, Outcome};
use crate::world::money::Money;

/// The endpoint that shows a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Search,
    Show,
    Created,
    Updated,
}

impl Deal {
    pub(crate) fn render(&self, view: View) -> String {
        let closes_at = self.closes_on.map(|day| day.and_time(NaiveTime::MIN));
        let mut o = Object::with_capacity(2048);
        o.text("id", &self.id)
            .text("team_id", &self.team_id)
            .maybe("owner_id", self.owner_id.as_deref())
            .null("salesforce_owner_id");
        amount(&mut o, "amount", self.amount);
        o.offset("closed_date", closes_at.map(|at| at.and_utc()))
            .maybe("account_id", self.account_id.as_deref())
            .null("description");
        self.render_stage(&mut o);
        amount(&mut o, "amount_in_team_currency", self.amount);
        o.number("forecasted_revenue", self.forecast())
            // Unlike every other time of a deal.
            .zulu("last_activity_date", self.last_activity)
            .text("existence_level", existence_level(view))
            .raw("typed_custom_fields", &fields_json(&self.custom_fields))
            .splice(concat!(
                r#""opportunity_contact_roles":[],"#,
                r#""currency":{"name":"US Dollar","iso_code":"USD","symbol":"$"}"#
            ));
        self.render_relations(&mut o, view);
        o.finish()
    }

    /// The stage, and what stands among its fields.
    fn render_stage(&self, o: &mut Object) {
        let stage = self.stage.as_deref();
        let forecast = stage.map(|stage| stage.forecast.to_lowercase());
        o.maybe_flag("is_closed", stage.map(DealStage::is_closed))
            .maybe_flag("is_won", stage.map(DealStage::is_won))
            .text("name", &self.name)
            .null("stage_name")
            .maybe("opportunity_stage_id", stage.map(|stage| stage.id.as_str()))
            .text("source", self.source)
            .null("salesforce_id")
            .offset("opportunity_created_at", Some(self.created_at))
            .splice(concat!(
                r#""actual_close_date":null,"next_step":null,"next_step_date":null,"#,
                r#""closed_lost_reason":null,"closed_won_reason":null"#
            ))
            .maybe("forecast_category", forecast.as_deref());
        match stage {
            Some(stage) => o.number("deal_probability", format_args!("{}.0", stage.probability)),
            None => o.null("deal_probability"),
        };
        o.maybe("created_by_id", self.creator_id.as_deref())
            .splice(concat!(
                r#""current_solutions":null,"deal_source":null,"manually_updated_probability":null,"#,
                r#""manually_updated_forecast":null,"crm_id":null,"crm_record_url":null,"crm_owner_id":null,"#,
                r#""probability":null"#
            ))
            .text("opportunity_pipeline_id", &self.pipeline_id)
            .offset("stage_updated_at", self.stage_updated_at)
            .null("next_step_last_updated_at")
            .splice(r#""exchange_rate_code":"USD","exchange_rate_value":1.0"#);
    }

    /// The account is shown where deals are read, not where they are written.
    fn render_relations(&self, o: &mut Object, view: View) {
        if view == View::Show {
            o.number("num_contacts", 0);
        }
        if let Some(account) = &self.account
            && matches!(view, View::Search | View::Show)
        {
            o.raw("account", &account.embedded());
        }
    }

    /// The amount, weighted by the stage's probability.
    fn forecast(&self) -> Money {
        let probability = self.stage.as_ref().map_or(0, |stage| stage.probability);
        let amount = self.amount.unwrap_or(Money::of_cents(0));
        amount.percent(probability)
    }
}

fn existence_level(view: View) -> &'static str {
    match view {
        View::Created => "none",
        View::Search | View::Show | View::Updated => "full",
    }
}

fn amount(o: &mut Object, key: &str, amount: Option<Money>) {
    match amount {
        Some(amount) => o.number(key, amount),
        None => o.null(key),
    };
}

impl DealStage {
    pub(crate) fn render(&self, (team_id, pipeline_id): (&str, &str), order: usize) -> String {
        let outcome = match self.outcome {
            Outcome::Open => "Open",
            Outcome::Won => "Closed/Won",
            Outcome::Lost => "Closed/Lost",
        };
        let mut o = Object::with_capacity(512);
        o.text("id", &self.id)
            .text("team_id", team_id)
            .text("name", self.name)
            .number("display_order", order)
            .text("forecast_category_cd", self.forecast)
            .flag("is_won", self.is_won())
            .flag("is_closed", self.is_closed())
            .number("probability", format_args!("{}.0", self.probability))
            .splice(r#""description":null,"salesforce_id":null,"is_meeting_set":null"#)
            .text("opportunity_pipeline_id", pipeline_id)
            .null("is_editable")
            .text("type", outcome);
        o.finish()
    }
}
