//! `emailer_campaigns/*`: the sequences themselves. Their members are in `enrolment`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Call;
use super::page::{around, crumb, cut};
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::sequence::Sequence;
use crate::world::{EditError, NewSequence};

pub(crate) fn search(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ask = call.page(25)?;
    let name = call.params.text("q_name");
    let crumbs = name
        .as_ref()
        .map(|name| crumb("Name", "q_name", name, name));
    let order = call.default_order();
    let archived_too = call.team.switches.archived_sequences_listed;
    let table = &mut call.team.sequences;
    let positions = table.ordered(order);
    let wanted = name.map(|name| name.to_lowercase());
    let kept = positions.iter().copied().filter(|&at| {
        table.at(at).is_some_and(|sequence| {
            (archived_too || !sequence.archived)
                && wanted
                    .as_ref()
                    .is_none_or(|name| sequence.name.to_lowercase().contains(name))
        })
    });
    let positions: Arc<Vec<usize>> = Arc::new(kept.collect());
    let mut page = cut(table, &positions, false, ask, call.distortion);
    if call.distortion.is_none() {
        show_loading(call, &mut page.rows);
    }
    let before = format!(
        r#"{{"pagination":{},"breadcrumbs":[{}],"emailer_campaigns":["#,
        page.pagination,
        crumbs.unwrap_or_default()
    );
    Ok(around(&before, &page.rows, r#"],"num_fetch_result":null}"#))
}

/// Replaces the statistics of sequences that are still loading, and uses up one of their loading
/// reads.
fn show_loading(call: &mut Call<'_>, rows: &mut [bytes::Bytes]) {
    let loading = call
        .team
        .sequences
        .listed()
        .filter(|sequence| sequence.loading_reads > 0);
    let loading: Vec<String> = loading.map(|sequence| sequence.id.clone()).collect();
    for id in loading {
        let mark = format!(r#"{{"id":"{id}""#);
        let Some(row) = rows.iter_mut().find(|row| row.starts_with(mark.as_bytes())) else {
            continue;
        };
        call.team.sequences.edit_in_place(&id, |sequence| {
            sequence.loading_reads -= 1;
            *row = bytes::Bytes::from(sequence.render(true));
        });
    }
}

/// The web interface's private call, on which the public `sequences` is built.
pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(name) = call.params.text("name") else {
        return Err(Refusal::invalid("Name can't be blank"));
    };
    let new = NewSequence {
        name,
        private: call.params.text("permissions").as_deref() == Some("private"),
        active: call.params.flag("active"),
        label_ids: call.params.list("label_ids").unwrap_or_default(),
        user_id: call.params.text("user_id"),
        extras: BTreeMap::new(),
    };
    let created = call.team.write_sequence(call.now, new);
    let id = created.map_err(|error| refused(&error))?;
    let sequence = call.team.live_sequence(&id);
    let sequence = sequence.map_err(|error| refused(&error))?;
    // Its statistics are still being computed.
    Ok(Answer::one(format!(
        r#"{{"emailer_campaign":{}}}"#,
        sequence.render(true)
    )))
}

pub(crate) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let sequence = find(call)?;
    let mut o = Object::with_capacity(8192);
    o.raw("emailer_campaign", &sequence.render(false))
        .list("emailer_steps", &sequence.steps_json())
        .list("emailer_touches", &sequence.touches_json())
        .list(
            "emailer_templates",
            &sequence.templates_json(&call.team.templates),
        );
    Ok(Answer::one(o.finish()))
}

pub(crate) fn approve(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let sequence = find(call)?;
    if sequence.active {
        return Err(Refusal::invalid("The sequence is already active."));
    }
    if sequence.steps.is_empty() {
        return Err(Refusal::invalid(
            "Please make sure you have added at least 1 step before turning on the sequence.",
        ));
    }
    switch(call, |sequence| {
        sequence.active = true;
        sequence.archived = false;
    })
}

pub(crate) fn abort(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if !find(call)?.active {
        return Err(Refusal::invalid("The sequence is already inactive."));
    }
    switch(call, |sequence| sequence.active = false)
}

pub(crate) fn archive(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    find(call)?;
    call.team.sequences.edit_in_place(call.id, |sequence| {
        sequence.active = false;
        sequence.archived = true;
    });
    let mut o = Object::new();
    o.text("id", call.id)
        .splice(r#""active":false,"archived":true,"deleted":true"#);
    Ok(Answer::one(format!(
        r#"{{"emailer_campaign":{}}}"#,
        o.finish()
    )))
}

fn switch(call: &mut Call<'_>, change: impl FnOnce(&mut Sequence)) -> Result<Answer, Refusal> {
    call.team.sequences.edit_in_place(call.id, change);
    let sequence = find(call)?;
    let mut campaign = Object::new();
    let [scheduled, ..] = sequence.stats;
    campaign
        .text("id", &sequence.id)
        .number("unique_scheduled", scheduled)
        .flag("active", sequence.active);
    let mut o = Object::new();
    o.raw("emailer_campaign", &campaign.finish())
        .list("emailer_steps", &sequence.steps_json());
    Ok(Answer::one(o.finish()))
}

fn find<'c>(call: &'c Call<'_>) -> Result<&'c Sequence, Refusal> {
    let sequence = call.team.live_sequence(call.id);
    sequence.map_err(|error| refused(&error))
}

pub(super) fn refused(error: &EditError) -> Refusal {
    match error {
        EditError::InvalidId(id) => Refusal::invalid_id(id),
        EditError::NoSuchRecord | EditError::Deleted => Refusal::error(404, "Record not found."),
    }
}
