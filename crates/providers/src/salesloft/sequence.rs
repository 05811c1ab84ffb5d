//! Maps Salesloft's cadences.

use std::collections::BTreeMap;

use serde_json::Number;
use syncline_model::{Record, Sequence, ShareType};

use super::mapping::{reference, with_times};
use crate::{
    item::Item,
    json::{reading::Reading, text_of},
};

pub(super) fn map(item: Item<'_>) -> Record<Sequence> {
    let read = item.read();
    let state = read.text("current_state");
    let state = state.as_deref();
    let is_archived = read.has("archived_at") || state == Some("archived");
    let is_draft = read.flag("draft").unwrap_or(state == Some("draft"));
    let fields = Sequence {
        owner_id: reference(read, "owner"),
        is_enabled: !is_draft && !is_archived,
        name: read.text("name"),
        tags: read.members("tags", |tag| text_of("tags", tag).ok()),
        // A cadence doesn't say it; `step_counts.rs` adds it.
        num_steps: 0,
        metrics: metrics(read),
        is_archived,
        share_type: share_type(read),
    };
    let said = with_times(read, state == Some("deleted"), fields);
    item.record(said, "")
}

/// All of a cadence's counters that have counted. One that is not a number is left out.
fn metrics(read: Reading<'_, '_>) -> BTreeMap<String, Number> {
    let Some(counts) = read.object("counts") else {
        return BTreeMap::new();
    };
    let read = read.of("counts.", &counts);
    counts
        .pairs()
        .filter_map(|(name, _)| Some((camel_case(name), read.number(name)?)))
        .collect()
}

/// `people_acted_on_count` as `peopleActedOnCount`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

/// A cadence of the team is everybody's, even if it is not shared.
fn share_type(read: Reading<'_, '_>) -> ShareType {
    let says = |name| read.flag(name) == Some(true);
    if says("shared") || says("team_cadence") {
        ShareType::Team
    } else {
        ShareType::Private
    }
}
