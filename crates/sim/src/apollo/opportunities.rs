//! `opportunities/*`: deals.

use super::Call;
use super::page::{around, cut};
use super::refusal::{Answer, Refusal};
use super::render::deal::View;
use crate::world::EditError;
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

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.params.text("name").is_none() {
        return Err(Refusal::invalid("Name is required"));
    }
    let created = call.team.create_deal(call.now, &call.params.fields());
    let id = created.map_err(|error| refused(&error))?;
    shown(call, &id, View::Created).ok_or_else(missing)
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.params.fields();
    let updated = call.team.update_deal(call.now, call.id, &fields);
    updated.map_err(|error| refused(&error))?;
    shown(call, call.id, View::Updated).ok_or_else(missing)
}

fn shown(call: &Call<'_>, id: &str, view: View) -> Option<Answer> {
    let deal = call.team.live_deal(id).ok()?.render(view);
    Some(Answer::one(format!(r#"{{"opportunity":{deal}}}"#)))
}

fn refused(error: &EditError) -> Refusal {
    match error {
        EditError::InvalidId(id) => Refusal::invalid_id(id),
        EditError::NoSuchRecord | EditError::Deleted => missing(),
    }
}

/// What a write of a deal that isn't there is told. A read is answered 404.
fn missing() -> Refusal {
    Refusal::invalid("Opportunity does not exist.")
}

/// Whether it looks like an id, though there may be no record with it.
fn is_object_id(id: &str) -> bool {
    id.len() == 24 && id.chars().all(|c| c.is_ascii_hexdigit())
}
