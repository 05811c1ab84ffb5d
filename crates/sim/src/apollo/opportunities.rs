//! `opportunities/*`: deals.

use super::Call;
use super::page::{around, cut};
use super::refusal::{Answer, Refusal};
use super::render::deal::View;
use crate::world::table::Order;

const SORT_FIELDS: &[(&str, Order)] = &[
    ("amount", Order::Amount),
    ("is_closed", Order::Closed),
    ("is_won", Order::Won),
];

pub(crate) fn search(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ask = call.page(25)?;
    let (order, ascending) = call.sorting(SORT_FIELDS)?;
    let positions = call.team.deals.ordered(order);
    let page = cut(
        &mut call.team.deals,
        &positions,
        ascending,
        ask,
        call.distortion,
    );
    let after = format!(
        concat!(
            r#"],"group_by_field_facets":null,"salesforce_users":[],"partial_results_only":false,"#,
            r#""has_join":false,"disable_eu_prospecting":false,"partial_results_limit":10000,"#,
            r#""pagination":{},"num_fetch_result":null}}"#
        ),
        page.pagination
    );
    Ok(around(
        r#"{"breadcrumbs":[],"opportunities":["#,
        &page.rows,
        &after,
    ))
}

pub(crate) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if !is_object_id(call.id) {
        return Err(Refusal::invalid_id("opportunity_id"));
    }
    match shown(call, call.id, View::Show) {
        Some(_) if call.team.deals.is_hidden(call.id) => Err(Refusal::not_for_you()),
        Some(answer) => Ok(answer),
        None => Err(Refusal::not_found()),
    }
}

fn shown(call: &Call<'_>, id: &str, view: View) -> Option<Answer> {
    let deal = call.team.live_deal(id).ok()?.render(view);
    Some(Answer::one(format!(r#"{{"opportunity":{deal}}}"#)))
}

/// Whether it looks like an id, though there may be no record with it.
fn is_object_id(id: &str) -> bool {
    id.len() == 24 && id.chars().all(|c| c.is_ascii_hexdigit())
}
