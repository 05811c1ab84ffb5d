//! What the upserts of people and accounts share: the key, the record that it finds, and the answer.

use serde_json::Value as Json;

use super::Call;
use super::body::{Fields, invalid};
use super::refusal::{Answer, Refusal};
use super::resource::{Resource, render};
use crate::json::Object;

/// The field that finds the record, and its value; `None` without a key.
pub(super) fn key<'f>(
    fields: &'f Fields,
    known: &[&str],
) -> Result<Option<(&'f str, String)>, Refusal> {
    let Some(key) = fields.get("upsert_key").and_then(Json::as_str) else {
        return Ok(None);
    };
    if !known.contains(&key) {
        return Err(invalid("upsert_key"));
    }
    Ok(Some((key, fields.required(key)?)))
}

/// The id that was found. More than one is refused, and none if it was searched by id.
pub(super) fn only<'t>(
    mut found: impl Iterator<Item = &'t str>,
    key: &str,
    plural: &str,
) -> Result<Option<String>, Refusal> {
    let first = found.next().map(str::to_owned);
    if found.next().is_some() {
        let words = format!("matches several {plural}");
        return Err(Refusal::field(key, &words));
    }
    if first.is_none() && key == "id" {
        return Err(Refusal::field("id", "must exist"));
    }
    Ok(first)
}

/// `{"data": {"upsert_type": done, name: record}}`
pub(super) fn answer<R: Resource>(
    call: &Call<'_>,
    name: &str,
    (done, id): (&str, &str),
) -> Result<Answer, Refusal> {
    let row = R::find(call.team, id).ok_or_else(|| call.not_found())?;
    let mut o = Object::new();
    o.text("upsert_type", done).raw(name, &render(row));
    Ok(Answer::record(200, &o.finish()))
}
