//! The request bodies of writes.

use serde_json::{Map, Value as Json};

use super::Call;
use super::refusal::Refusal;
use super::resource::{Resource, Schema};
use super::switches::Mismatch;
use super::users::Users;

/// The most characters of a text attribute, except for those in `LONG_TEXTS`.
const LONGEST_TEXT: usize = 255;

/// Attributes with another limit.
const LONG_TEXTS: [(&str, usize); 9] = [
    ("bodyHtml", 16_777_215),
    ("description", 65_535),
    ("note", 65_535),
    ("taskNote", 65_535),
    ("personalNote1", 65_535),
    ("personalNote2", 65_535),
    ("specialties", 65_535),
    ("linkedInUrl", 1_000),
    ("name", 255),
];

/// The attributes and relationships of a request body.
#[derive(Debug)]
pub(super) struct Document {
    attributes: Map<String, Json>,
    relationships: Map<String, Json>,
}

impl Document {
    /// Reads the body. Its type, and for an update its id, must match the path.
    pub(super) fn read(call: &Call<'_>, schema: &Schema) -> Result<Self, Refusal> {
        let malformed = |detail: &str| Refusal::bad_request(detail);
        let body: Json = serde_json::from_slice(&call.request.body)
            .map_err(|_| malformed("The request body is not valid JSON."))?;
        let Some(Json::Object(data)) = body.get("data") else {
            return Err(malformed("The request body has no 'data'."));
        };
        let kind = data.get("type").and_then(Json::as_str);
        if kind != Some(schema.kind) {
            let detail = format!("Type must be '{}'.", schema.kind);
            return Err(mismatch(call, "/data/type", &detail));
        }
        if !call.id.is_empty() && data.get("id").map(plain).as_deref() != Some(call.id) {
            let detail = format!("Id must be '{}'.", call.id);
            return Err(mismatch(call, "/data/id", &detail));
        }
        let members = |name: &str| match data.get(name) {
            Some(Json::Object(members)) => Ok(members.clone()),
            None | Some(Json::Null) => Ok(Map::new()),
            Some(_) => Err(malformed(&format!("'{name}' must be an object."))),
        };
        Ok(Self {
            attributes: members("attributes")?,
            relationships: members("relationships")?,
        })
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &Json)> {
        let attributes = self.attributes.iter();
        attributes.map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&Json> {
        self.attributes.get(name)
    }

    /// The names of the relationships in the body.
    pub(super) fn relationships(&self) -> impl Iterator<Item = &str> {
        self.relationships.keys().map(String::as_str)
    }

    /// The id of the related record; `None` if the relationship is cleared or absent.
    pub(super) fn to_one(&self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(relationship) = self.relationships.get(name) else {
            return Ok(None);
        };
        let pointer = format!("/data/relationships/{name}");
        let malformed = || Refusal::invalid_at(&pointer, &format!("{name} is invalid"));
        match relationship.get("data") {
            Some(Json::Null) => Ok(None),
            Some(Json::Object(linkage)) => {
                let id = linkage.get("id").map(plain);
                let id = id.filter(|id| id.parse::<u64>().is_ok());
                id.map(Some).ok_or_else(malformed)
            }
            _ => Err(malformed()),
        }
    }

    /// The id of the related record, which must exist.
    pub(super) fn related<R: Resource>(
        &self,
        call: &Call<'_>,
        name: &str,
    ) -> Result<Option<String>, Refusal> {
        let Some(id) = self.to_one(name)? else {
            return Ok(None);
        };
        if R::find(call.team, &id).is_none() {
            let pointer = format!("/data/relationships/{name}");
            let detail = format!("Could not find '{}' with ID '{id}'.", R::SCHEMA.kind);
            return Err(Refusal::invalid_at(&pointer, &detail));
        }
        Ok(Some(id))
    }

    pub(super) fn user(&self, call: &Call<'_>, name: &str) -> Result<Option<String>, Refusal> {
        self.related::<Users>(call, name)
    }

    /// Refuses an attribute or relationship that can't be written.
    pub(super) fn refuse_unknown(&self, call: &Call<'_>, name: &str) -> Result<(), Refusal> {
        if call.team.org.switches.unknown_attributes_ignored {
            return Ok(());
        }
        let member = if self.attributes.contains_key(name) {
            "attributes"
        } else {
            "relationships"
        };
        let pointer = format!("/data/{member}/{name}");
        let detail = format!("'{name}' can't be written.");
        Err(Refusal::invalid_at(&pointer, &detail))
    }
}

/// Reads a text attribute, which can be null.
pub(super) fn text(name: &str, value: &Json) -> Result<Option<String>, Refusal> {
    let text = match value {
        Json::Null => return Ok(None),
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        _ => return Err(invalid(name)),
    };
    let longest = LONG_TEXTS.iter().find(|(long, _)| *long == name);
    let longest = longest.map_or(LONGEST_TEXT, |(_, longest)| *longest);
    if text.chars().count() > longest {
        return Err(Refusal::new(
            422,
            "validationDataTooLongError",
            "Validation Data Too Long Error",
            "Data provided is too long.",
            "",
        ));
    }
    Ok(Some(text))
}

/// Reads a list of texts.
pub(super) fn texts(name: &str, value: &Json) -> Result<Vec<String>, Refusal> {
    match value {
        Json::Null => Ok(Vec::new()),
        Json::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| invalid(name))
        }
        Json::String(one) => Ok(vec![one.clone()]),
        _ => Err(invalid(name)),
    }
}

pub(super) fn invalid(name: &str) -> Refusal {
    let pointer = format!("/data/attributes/{name}");
    Refusal::invalid_at(&pointer, &format!("{name} is invalid"))
}

fn mismatch(call: &Call<'_>, pointer: &str, detail: &str) -> Refusal {
    match call.team.org.switches.mismatch {
        Mismatch::Conflict => Refusal::new(409, "conflict", "Conflict", detail, pointer),
        Mismatch::Unprocessable => Refusal::invalid_at(pointer, detail),
    }
}

/// An id, given as a number or as text.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
