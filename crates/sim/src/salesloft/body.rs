//! The fields of writes, from JSON, a form or the query.

use chrono::NaiveDate;
use serde_json::{Map, Value as Json};

use super::Call;
use super::refusal::Refusal;

/// The longest text of a field, in characters.
const LONGEST_TEXT: usize = 255;

/// Fields whose texts can be longer.
const LONG_TEXTS: [&str; 3] = ["description", "body", "instructions"];

/// The fields of a write.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Json>);

impl Fields {
    /// Form fields such as `custom_fields[Region]` become members of an object.
    pub(super) fn read(call: &Call<'_>) -> Self {
        let Json::Object(given) = call.params.fields() else {
            return Self(Map::new());
        };
        let mut fields = Map::new();
        for (name, value) in given {
            let nested = name.strip_suffix(']').and_then(|name| name.split_once('['));
            let Some((outer, inner)) = nested else {
                fields.insert(name, value);
                continue;
            };
            let object = fields
                .entry(outer)
                .or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(members) = object {
                members.insert(inner.to_owned(), value);
            }
        }
        Self(fields)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, Refusal> {
        let value = self.get(name).unwrap_or(&Json::Null);
        text(name, value)?.ok_or_else(|| Refusal::field(name, "is required"))
    }

    /// An id that must be there.
    pub(super) fn required_id(&self, name: &str) -> Result<String, Refusal> {
        let given = self.id(name)?;
        given.ok_or_else(|| Refusal::field(name, "is required"))
    }

    pub(super) fn id(&self, name: &str) -> Result<Option<String>, Refusal> {
        id(name, self.get(name).unwrap_or(&Json::Null))
    }
}

/// Unknown fields are ignored or refused, as switched.
pub(super) fn unknown(call: &Call<'_>, name: &str) -> Result<(), Refusal> {
    if call.team.salesloft.switches.unknown_fields_refused {
        return Err(Refusal::field(name, "is not permitted"));
    }
    Ok(())
}

/// Reads a text; empty text is none.
pub(super) fn text(name: &str, value: &Json) -> Result<Option<String>, Refusal> {
    let text = match value {
        Json::Null => return Ok(None),
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Bool(flag) => flag.to_string(),
        _ => return Err(invalid(name)),
    };
    if text.chars().count() > LONGEST_TEXT && !LONG_TEXTS.contains(&name) {
        let words = format!("is too long (maximum is {LONGEST_TEXT} characters)");
        return Err(Refusal::field(name, &words));
    }
    Ok((!text.is_empty()).then_some(text))
}

/// Reads an id, a number that can be text.
pub(super) fn id(name: &str, value: &Json) -> Result<Option<String>, Refusal> {
    let Some(text) = text(name, value)? else {
        return Ok(None);
    };
    match text.parse::<u64>() {
        Ok(id) => Ok(Some(id.to_string())),
        Err(_) => Err(invalid(name)),
    }
}

pub(super) fn flag(name: &str, value: &Json) -> Result<bool, Refusal> {
    match value {
        Json::Null => Ok(false),
        Json::Bool(flag) => Ok(*flag),
        Json::String(text) if text == "true" || text == "1" => Ok(true),
        Json::String(text) if text == "false" || text == "0" => Ok(false),
        _ => Err(invalid(name)),
    }
}

/// Reads a list of texts without repetitions; one text is a list.
pub(super) fn texts(name: &str, value: &Json) -> Result<Vec<String>, Refusal> {
    let items = match value {
        Json::Null => &[],
        Json::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut texts = Vec::new();
    for item in items {
        let text = item.as_str().ok_or_else(|| invalid(name))?;
        if !texts.iter().any(|known| known == text) {
            texts.push(text.to_owned());
        }
    }
    Ok(texts)
}

pub(super) fn day(name: &str, value: &Json) -> Result<NaiveDate, Refusal> {
    let text = value.as_str().unwrap_or_default();
    NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| invalid(name))
}

pub(super) fn invalid(name: &str) -> Refusal {
    Refusal::field(name, "is invalid")
}
