//! Maps Apollo's sequences ("emailer campaigns") and their statistics, which Apollo may still be
//! computing.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use serde_json::{Number, value::RawValue};
use syncline_model::{Object, Record, Records, Sequence, ShareType};

use super::hash::HASHING;
use crate::{
    item::{Item, MappedFields},
    json::{Fields, reading::Reading, text_of},
    provider::Page,
};

/// Apollo's placeholder for a statistic that is being computed.
const LOADING: &str = r#""loading""#;

/// Texts by users, in which "loading" is an ordinary word.
const WRITTEN_KEYS: &[&str] = &["name", "cc_emails", "bcc_emails"];

/// Apollo's names and ours. Two of Apollo's map to the same one of ours: older documents have
/// another name for `spam_block_rate`, and whichever is present is used.
const METRICS: &[(&str, &str)] = &[
    ("unique_scheduled", "uniqueScheduled"),
    ("unique_delivered", "uniqueDelivered"),
    ("unique_bounced", "uniqueBounced"),
    ("unique_opened", "uniqueOpened"),
    ("unique_replied", "uniqueReplied"),
    ("unique_demoed", "uniqueDemoed"),
    ("unique_clicked", "uniqueClicked"),
    ("unique_unsubscribed", "uniqueUnsubscribed"),
    ("bounce_rate", "bounceRate"),
    ("open_rate", "openRate"),
    ("click_rate", "clickRate"),
    ("reply_rate", "replyRate"),
    ("spam_block_rate", "spamBlockedRate"),
    ("spam_blocked_rate", "spamBlockedRate"),
    ("opt_out_rate", "optOutRate"),
    ("demo_rate", "demoRate"),
];

pub(super) fn map(item: Item<'_>) -> Record<Sequence> {
    let read = item.read();
    let is_archived = read.flag("archived").unwrap_or(false);
    let said = MappedFields {
        created_at: read.time("created_at"),
        updated_at: None,
        is_deleted: is_archived,
        is_normalized: false,
        fields: Sequence {
            owner_id: read.text("user_id"),
            is_enabled: read.flag("active").unwrap_or(false),
            name: if read.has("name") {
                read.text("name")
            } else {
                Some(String::new())
            },
            tags: read.members("label_ids", |label| text_of("label_ids", label).ok()),
            num_steps: num_steps(&item),
            metrics: metrics(&item),
            is_archived,
            share_type: share_type(read),
        },
    };
    item.record(said, "")
}

fn num_steps(item: &Item<'_>) -> i64 {
    if item.fields.raw("num_steps").is_some_and(is_loading_value) {
        return 0;
    }
    item.read().int("num_steps").unwrap_or(0)
}

/// Only numbers: a statistic that is not a number is left out.
fn metrics(item: &Item<'_>) -> BTreeMap<String, Number> {
    METRICS
        .iter()
        .filter(|(theirs, _)| !item.fields.raw(theirs).is_some_and(is_loading_value))
        .filter_map(|(theirs, ours)| {
            let number = item.read().number(theirs)?;
            Some(((*ours).to_owned(), number))
        })
        .collect()
}

/// Apollo no longer sends `permissions`; the visibility has replaced it.
fn share_type(read: Reading<'_, '_>) -> ShareType {
    let permission = read.object("sharing_permission");
    let visibility = permission
        .as_ref()
        .and_then(|fields| read.of("sharing_permission.", fields).text("visibility"));
    let is_private =
        |word: Option<String>| matches!(word.as_deref(), Some("private" | "restricted"));
    if is_private(read.text("permissions")) || is_private(visibility) {
        ShareType::Private
    } else {
        ShareType::Team
    }
}

/// Whether a statistic was still being computed, including the counters by status.
pub(super) fn is_loading(fields: &Fields<'_>) -> bool {
    statistics(fields).any(|(_, value)| {
        is_loading_value(value)
            || Fields::of(value)
                .is_some_and(|nested| nested.pairs().any(|(_, value)| is_loading_value(value)))
    })
}

fn statistics<'f, 'a>(
    fields: &'f Fields<'a>,
) -> impl Iterator<Item = (&'f str, &'a RawValue)> + use<'f, 'a> {
    fields
        .pairs()
        .filter(|(key, _)| !WRITTEN_KEYS.contains(key))
}

fn is_loading_value(value: &RawValue) -> bool {
    value.get() == LOADING
}

/// Replaces "loading" by the stored values, and maps and hashes the result as if Apollo had sent
/// it, so that a sequence without other changes is unchanged.
pub(super) fn settle(page: &mut Page, known: &HashMap<String, Box<RawValue>>) {
    let Records::Sequences(sequences) = &mut page.records else {
        return;
    };
    for sequence in sequences {
        if !page.loading.contains(&sequence.id) {
            continue;
        }
        if let Some(settled) = known
            .get(&sequence.id)
            .and_then(|known| settled(&sequence.raw, known))
        {
            *sequence = settled;
        }
    }
}

fn settled(raw: &RawValue, known: &RawValue) -> Option<Record<Sequence>> {
    let text = filled_in(&Fields::of(raw)?, &Fields::of(known)?, true);
    let raw = RawValue::from_string(text).ok()?;
    Item::of(Object::Sequence, &raw, &HASHING).ok().map(map)
}

/// The object as text, with known values instead of "loading", one level deep.
fn filled_in(fields: &Fields<'_>, known: &Fields<'_>, with_nested: bool) -> String {
    let mut text = String::from("{");
    for (key, value) in fields.pairs() {
        if text.len() > 1 {
            text.push(',');
        }
        // `Value`'s `Display` is JSON, so the key is escaped correctly.
        let _ = write!(text, "{}:", serde_json::Value::from(key));
        let stands = WRITTEN_KEYS.contains(&key);
        let counterpart = known.raw(key);
        let nested = (with_nested && value.get().contains(LOADING))
            .then(|| Some((Fields::of(value)?, Fields::of(counterpart?)?)))
            .flatten();
        match (counterpart, nested) {
            (Some(known), _) if !stands && is_loading_value(value) => text.push_str(known.get()),
            (_, Some((nested, known))) => text.push_str(&filled_in(&nested, &known, false)),
            _ => text.push_str(value.get()),
        }
    }
    text.push('}');
    text
}
