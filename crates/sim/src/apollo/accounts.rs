//! `accounts/*`.

use std::sync::Arc;

use super::Call;
use super::page::{around, crumb, cut};
use super::refusal::{Answer, Refusal};
use super::render::account::View;
use crate::json::Object;
use crate::world::EditError;
use crate::world::catalogue::Label;
use crate::world::table::Order;

const SORT_FIELDS: &[(&str, Order)] = &[
    ("account_last_activity_date", Order::LastActivity),
    ("account_created_at", Order::Created),
    ("account_updated_at", Order::Updated),
];

pub(crate) fn search(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ask = call.page(25)?;
    let (order, ascending) = call.sorting(SORT_FIELDS)?;
    let given = |name| call.params.list(name).filter(|items| !items.is_empty());
    let (stages, labels) = (given("account_stage_ids"), given("account_label_ids"));
    let name = call.params.text("q_organization_name");
    let mut crumbs = Vec::new();
    if let Some(name) = &name {
        crumbs.push(crumb("Company Name", "q_organization_name", name, name));
    }
    for id in stages.iter().flatten() {
        let Some(stage) = call
            .team
            .account_stages
            .iter()
            .find(|stage| stage.id == *id)
        else {
            return Err(Refusal::invalid(
                "Your search parameters are entered incorrectly. Did you try to edit the URL directly?",
            ));
        };
        crumbs.push(crumb("Account Stages", "account_stage_ids", id, stage.name));
    }
    for id in labels.iter().flatten() {
        let label = call.team.labels.iter().find(|label| label.id == *id);
        crumbs.push(crumb(
            "Lists",
            "account_label_ids",
            id,
            label.map_or("", |label| &label.name),
        ));
    }
    let mut positions = call.team.accounts.ordered(order);
    if name.is_some() || stages.is_some() || labels.is_some() {
        let name = name.map(|name| name.to_lowercase());
        let table = &call.team.accounts;
        let kept = positions.iter().copied().filter(|&at| {
            table.at(at).is_some_and(|account| {
                let stage = account.stage_id.as_deref().unwrap_or_default();
                name.as_ref()
                    .is_none_or(|name| account.name.to_lowercase().contains(name))
                    && stages
                        .as_ref()
                        .is_none_or(|wanted| wanted.iter().any(|id| id == stage))
                    && labels
                        .as_ref()
                        .is_none_or(|wanted| account.label_ids.iter().any(|id| wanted.contains(id)))
            })
        });
        positions = Arc::new(kept.collect());
    }
    let page = cut(
        &mut call.team.accounts,
        &positions,
        ascending,
        ask,
        call.distortion,
    );
    let before = format!(
        concat!(
            r#"{{"breadcrumbs":[{}],"partial_results_only":false,"has_join":false,"disable_eu_prospecting":false,"#,
            r#""partial_results_limit":10000,"pagination":{},"accounts":["#
        ),
        crumbs.join(","),
        page.pagination
    );
    Ok(around(&before, &page.rows, r#"],"num_fetch_result":null}"#))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.params.text("name").is_none() && call.params.text("domain").is_none() {
        return Err(Refusal::invalid(
            "Please specify at least a name or domain.",
        ));
    }
    let fields = call.params.fields();
    let id = call
        .team
        .create_account(call.now, &fields)
        .map_err(|error| refused(&error, "id"))?;
    let account = call
        .team
        .live_account(&id)
        .map_err(|error| refused(&error, "id"))?;
    Ok(Answer::one(format!(
        r#"{{"account":{}}}"#,
        account.render(View::Written)
    )))
}

pub(crate) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let account = call
        .team
        .live_account(call.id)
        .map_err(|error| refused(&error, "id"))?;
    if call.team.accounts.is_hidden(call.id) {
        return Err(Refusal::not_for_you());
    }
    Ok(Answer::one(format!(
        r#"{{"account":{}}}"#,
        account.render(View::Show)
    )))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.params.fields();
    let refuse = |error: EditError| refused(&error, "account_id");
    call.team
        .update_account(call.now, call.id, &fields)
        .map_err(refuse)?;
    let account = call.team.live_account(call.id).map_err(refuse)?;
    let labels = call
        .team
        .labels
        .iter()
        .filter(|label| account.label_ids.contains(&label.id));
    let labels: Vec<String> = labels.map(Label::brief).collect();
    let mut o = Object::with_capacity(2048);
    o.raw("account", &account.render(View::Written))
        .list("labels", &labels);
    Ok(Answer::one(o.finish()))
}

/// The refusal names the path's parameter, not its value.
fn refused(error: &EditError, parameter: &str) -> Refusal {
    match error {
        EditError::Deleted => Refusal::invalid("This account has been deleted!"),
        EditError::NoSuchRecord => Refusal::invalid_id(parameter),
        EditError::InvalidId(id) => Refusal::invalid_id(id),
    }
}
