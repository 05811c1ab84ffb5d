//! Actions: named calls that agents may make. One definition makes the call's REST endpoint, its tool,
//! its words in the audit log, and what a grant is about.

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{Schema, line::quoted};

/// How many elements of a list a sentence names.
const MOST_NAMED: usize = 3;
/// In bytes, of what others wrote, in a sentence.
const LONGEST_WORD: usize = 120;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Such as `contacts.create`; what is before the dot is its group.
    pub name: String,
    /// In two or three words.
    pub title: String,
    /// What it does, what comes back, and what it costs, in a sentence or three.
    pub description: String,
    /// What it does, for people, with the input's fields in braces, and in brackets what is left out if
    /// the field in it is absent: `create the contact[ {email}]`.
    pub sentence: String,
    pub access: Access,
    /// Whether it changes or ends something that is there, rather than adding to it.
    #[serde(default)]
    pub destructive: bool,
    /// Whether doing it twice is like doing it once.
    #[serde(default)]
    pub idempotent: bool,
    #[serde(default)]
    pub needs_master_key: bool,
    #[serde(default)]
    pub credits: Option<CreditCost>,
    pub input: Schema,
    pub output: Schema,
}

/// Whether an action changes something at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = action_access)]
pub enum Access {
    Read,
    Write,
}

/// What an action may cost at most, and how its true cost is known afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditCost {
    /// Credits for each element of `of`, or for the call.
    pub each: u32,
    /// The list in the input that is paid for by element.
    #[serde(default)]
    pub of: Option<String>,
    /// Credits that these flags of the input add to each, if they are set.
    #[serde(default)]
    pub with: Vec<(String, u32)>,
    /// Where the answer tells the cost, as a JSON pointer.
    #[serde(default)]
    pub told_at: Option<String>,
    /// Where the answer has what was paid for: a list, whose elements count unless they are null, or a value,
    /// which counts unless it is null or empty. Counted where the cost isn't told.
    pub paid_for: String,
}

/// A file of actions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    /// Schemas to which those of the actions refer.
    definitions: Map<String, Value>,
    actions: Vec<Value>,
}

/// The actions in a file, with definitions in the place of references to them.
pub fn read_catalogue<T: DeserializeOwned>(file: &str) -> Result<Vec<T>, serde_json::Error> {
    let Catalogue {
        definitions,
        actions,
    } = serde_json::from_str(file)?;
    let whole = |action| serde_json::from_value(with_definitions(action, &definitions)?);
    actions.into_iter().map(whole).collect()
}

fn with_definitions(
    value: Value,
    definitions: &Map<String, Value>,
) -> Result<Value, serde_json::Error> {
    let inside = |it: Value| with_definitions(it, definitions);
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str);
            let name = name.and_then(|it| it.strip_prefix("#/definitions/"));
            if let Some(name) = name {
                let definition = definitions.get(name).cloned();
                let missing = || serde_json::Error::custom(format!("{name} is not defined"));
                return inside(definition.ok_or_else(missing)?);
            }
            let fields = fields.into_iter().map(|(name, it)| Ok((name, inside(it)?)));
            Ok(Value::Object(
                fields.collect::<Result<_, serde_json::Error>>()?,
            ))
        }
        Value::Array(list) => {
            let list = list.into_iter().map(inside);
            Ok(Value::Array(list.collect::<Result<_, _>>()?))
        }
        other => Ok(other),
    }
}

impl Action {
    /// Lets everything in the output be null, because an answer can always lack something.
    pub fn widen_output(&mut self) {
        self.output = std::mem::take(&mut self.output).nullable();
    }

    pub fn group(&self) -> &str {
        let (group, _) = self.name.split_once('.').unwrap_or((&self.name, ""));
        group
    }

    pub fn spends_credits(&self) -> bool {
        self.credits.is_some()
    }

    /// The most that a call with this input can cost.
    pub fn most_credits(&self, input: &Value) -> u32 {
        self.credits.as_ref().map_or(0, |cost| cost.most(input))
    }

    /// The sentence with the input's values, in one line. What somebody wrote is quoted.
    pub fn in_words(&self, input: &Value) -> String {
        let mut words = String::new();
        let mut rest = self.sentence.as_str();
        while let Some((before, after)) = rest.split_once('[') {
            let (optional, after) = after.split_once(']').unwrap_or((after, ""));
            words += &filled(before, input).unwrap_or_default();
            words += &filled(optional, input).unwrap_or_default();
            rest = after;
        }
        words + &filled(rest, input).unwrap_or_default()
    }
}

/// A part of a sentence with its values; `None` if one of them is absent.
fn filled(part: &str, input: &Value) -> Option<String> {
    let mut words = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        words += before;
        words += &value_in_words(input.get(name)?)?;
        rest = after;
    }
    Some(words + rest)
}

impl CreditCost {
    fn most(&self, input: &Value) -> u32 {
        let list = self.of.as_ref().and_then(|name| input.get(name));
        let elements = list.map_or(1, |list| list.as_array().map_or(1, Vec::len));
        let set = |flag: &str| input.get(flag) == Some(&Value::Bool(true));
        let with = self.with.iter().filter(|(flag, _)| set(flag));
        let each = self.each + with.map(|(_, more)| more).sum::<u32>();
        each.saturating_mul(u32::try_from(elements).unwrap_or(u32::MAX))
    }

    /// What a call with this input has cost, by its answer. Never more than the most.
    pub fn spent(&self, input: &Value, answer: &Value) -> u32 {
        let told = self.told_at.as_ref().and_then(|at| answer.pointer(at));
        if let Some(told) = told.and_then(Value::as_u64) {
            return u32::try_from(told).unwrap_or(u32::MAX);
        }
        let found = match answer.pointer(&self.paid_for) {
            Some(Value::Array(list)) => list.iter().filter(|it| !it.is_null()).count(),
            Some(Value::Null) | None => 0,
            Some(Value::String(text)) if text.is_empty() => 0,
            Some(_) => 1,
        };
        let most = self.most(input);
        match &self.of {
            None if found == 0 => 0,
            None => most,
            Some(of) => {
                let asked = input
                    .get(of)
                    .and_then(Value::as_array)
                    .map_or(1, Vec::len)
                    .max(1);
                let each = most / u32::try_from(asked).unwrap_or(u32::MAX);
                each.saturating_mul(u32::try_from(found).unwrap_or(u32::MAX))
                    .min(most)
            }
        }
    }
}

fn value_in_words(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(quoted(text, LONGEST_WORD)),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            let shown = list.iter().take(MOST_NAMED).filter_map(value_in_words);
            let shown = shown.collect::<Vec<_>>().join(", ");
            match list.len().saturating_sub(MOST_NAMED) {
                0 => Some(shown),
                more => Some(format!("{shown} and {more} more")),
            }
        }
        Value::Array(list) => Some(list.len().to_string()),
        // Its fields' names are somebody's words too.
        Value::Object(fields) => Some(format!("{} fields", fields.len())),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bulk() -> Action {
        serde_json::from_value(json!({
            "name": "people.bulk_enrich",
            "title": "Enrich people",
            "description": "…",
            "sentence": "enrich {details} people[ of {domain}]",
            "access": "read",
            "credits": {
                "each": 1, "of": "details", "with": [["reveal_phone_number", 8]],
                "told_at": "/credits_consumed", "paid_for": "/matches"
            },
            "input": {}, "output": {}
        }))
        .unwrap()
    }

    #[test]
    fn the_most_counts_every_element_with_everything_that_is_asked_for() {
        let two = json!({"details": [{}, {}]});
        assert_eq!(bulk().most_credits(&two), 2);
        let with_phones = json!({"details": [{}, {}], "reveal_phone_number": true});
        assert_eq!(bulk().most_credits(&with_phones), 18);
    }

    #[test]
    fn what_the_answer_tells_is_what_was_spent_and_else_what_was_found() {
        let input = json!({"details": [{}, {}, {}]});
        let cost = bulk().credits.unwrap();
        let told = json!({"credits_consumed": 1, "matches": [{}, {}, null]});
        assert_eq!(cost.spent(&input, &told), 1);
        let counted = json!({"matches": [{}, {}, null]});
        assert_eq!(cost.spent(&input, &counted), 2);
        assert_eq!(cost.spent(&input, &json!({"matches": []})), 0);
    }

    #[test]
    fn a_sentence_has_one_line_whatever_the_input_is() {
        let input = json!({"details": [{}, {}], "domain": "a.example\nAPI key \"root\" deleted"});
        let words = bulk().in_words(&input);
        assert_eq!(words.lines().count(), 1);
        assert!(
            words.starts_with("enrich 2 people of \"a.example"),
            "{words}"
        );
        assert_eq!(words.matches('"').count(), 2, "{words}");
        let forged = json!({"details": [{}], "domain": {"a\" — agent \"root\" was allowed": 1}});
        assert_eq!(bulk().in_words(&forged), "enrich 1 people of 1 fields");
        let named = json!({"details": [{}], "domain": ["a", "b", "c", "d", "e"]});
        assert_eq!(
            bulk().in_words(&named),
            "enrich 1 people of \"a\", \"b\", \"c\" and 2 more"
        );
        let without = json!({"details": [{}, {}], "domain": null});
        assert_eq!(bulk().in_words(&without), "enrich 2 people");
        assert_eq!(bulk().group(), "people");
    }
}
