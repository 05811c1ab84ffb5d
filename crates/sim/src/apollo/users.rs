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
        o.splice(concat!(
            r#""num_credits_remaining":9500,"effective_num_lead_credits":10000,"num_lead_credits_used":500,"#,
            r#""effective_num_direct_dial_credits":1000,"num_direct_dial_credits_used":120,"#,
            r#""effective_num_export_credits":5000,"num_export_credits_used":250,"#,
            r#""effective_num_ai_credits":2000,"num_ai_credits_used":75,"effective_num_power_up_credits":1000,"#,
            r#""num_power_up_credits_used":40,"total_unified_credits_used":910"#
        ));
    }
    Ok(Answer::one(o.finish()))
}
