//! The small lists: labels, stages, custom fields. None of them has pages.

use super::Call;
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::catalogue::Field;

/// A bare array.
pub(crate) fn labels(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let team = &call.team;
    let rows: Vec<String> = team
        .labels
        .iter()
        .map(|label| {
            let bears = |ids: &[String]| ids.contains(&label.id);
            let count = match label.modality {
                "accounts" => team
                    .accounts
                    .listed()
                    .filter(|account| bears(&account.label_ids))
                    .count(),
                _ => team
                    .contacts
                    .listed()
                    .filter(|contact| bears(&contact.label_ids))
                    .count(),
            };
            label.json(&team.id, count)
        })
        .collect();
    Ok(Answer::of(format!("[{}]", rows.join(",")), rows.len()))
}

pub(crate) fn contact_stages(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let stages = call.team.contact_stages.iter().enumerate();
    let stages: Vec<String> = stages
        .map(|(n, stage)| stage.contact_json(&call.team.id, n))
        .collect();
    Ok(listed("contact_stages", &stages))
}

pub(crate) fn account_stages(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let stages = call.team.account_stages.iter().enumerate();
    let stages: Vec<String> = stages
        .map(|(n, stage)| stage.account_json(&call.team.id, n))
        .collect();
    Ok(listed("account_stages", &stages))
}

pub(crate) fn opportunity_stages(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let team = &call.team;
    let of = (team.id.as_str(), team.deal_pipeline_id.as_str());
    let stages = team.deal_stages.iter().enumerate();
    let stages: Vec<String> = stages.map(|(n, stage)| stage.render(of, n)).collect();
    Ok(listed("opportunity_stages", &stages))
}

pub(crate) fn typed_custom_fields(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields: Vec<String> = call.team.fields.iter().map(Field::json).collect();
    Ok(listed("typed_custom_fields", &fields))
}

fn listed(name: &str, rows: &[String]) -> Answer {
    let mut o = Object::with_capacity(4096);
    o.list(name, rows);
    Answer::of(o.finish(), rows.len())
}
