//! `users/*`: the seats of the team.

use super::Call;
use super::page::{around, cut};
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::table::Order;

pub(crate) fn search(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ask = call.page(25)?;
    let positions = call.team.users.ordered(Order::Unspecified);
    let page = cut(&mut call.team.users, &positions, true, ask, call.distortion);
    let before = format!(r#"{{"pagination":{},"users":["#, page.pagination);
    Ok(around(&before, &page.rows, r#"],"num_fetch_result":null}"#))
}

pub(crate) fn api_profile(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(user) = call.team.caller() else {
        return Err(Refusal::bad_key());
    };
    let mut o = Object::new();
    o.text("id", &user.id)
        .text("team_id", &user.team_id)
        .maybe("first_name", user.first_name.as_deref())
        .maybe("last_name", user.last_name.as_deref())
        .maybe("title", user.title.as_deref())
        .text("email", &user.email);
    if call.params.flag("include_credit_usage") {
        let credits = &call.team.credits;
        o.number("num_credits_remaining", credits.left)
            .number("effective_num_lead_credits", credits.left + credits.used)
            .number("num_lead_credits_used", credits.used)
            .splice(concat!(
                r#""effective_num_direct_dial_credits":1000,"num_direct_dial_credits_used":0,"#,
                r#""effective_num_export_credits":5000,"num_export_credits_used":0,"#,
                r#""effective_num_ai_credits":2000,"num_ai_credits_used":0,"#,
                r#""effective_num_power_up_credits":1000,"num_power_up_credits_used":0"#
            ))
            .number("total_unified_credits_used", credits.used);
    }
    Ok(Answer::one(o.finish()))
}
